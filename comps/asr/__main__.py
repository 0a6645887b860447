"""`python -m comps.asr` serves the ASR service with the settings of the environment."""

from __future__ import annotations

from comps.asr.service import create_app
from comps.asr.settings import AsrSettings
from comps.core.serve import serve_configured

if __name__ == "__main__":
    serve_configured(AsrSettings, create_app)
