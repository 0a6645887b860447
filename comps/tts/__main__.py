"""``python -m comps.tts`` serves the TTS service."""

from __future__ import annotations

from comps.core.serve import serve_configured
from comps.tts.service import create_app
from comps.tts.settings import TtsSettings

if __name__ == "__main__":
    serve_configured(TtsSettings, create_app)
