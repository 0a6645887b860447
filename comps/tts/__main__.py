"""``python -m comps.tts`` serves the TTS service."""

from __future__ import annotations

from comps.core.serve import serve
from comps.tts.service import create_app
from comps.tts.settings import TtsSettings

if __name__ == "__main__":
    settings = TtsSettings()
    serve(create_app(settings), settings)
