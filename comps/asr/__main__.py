"""`python -m comps.asr` serves the ASR service with the settings of the environment."""

from __future__ import annotations

from comps.asr.service import create_app
from comps.asr.settings import AsrSettings
from comps.core.serve import serve

if __name__ == "__main__":
    configured = AsrSettings()
    serve(create_app(configured), configured)
