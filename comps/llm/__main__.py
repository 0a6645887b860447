"""`python -m comps.llm` serves the LLM service with the settings of the environment."""

from __future__ import annotations

from comps.core.serve import serve_configured
from comps.llm.service import create_app
from comps.llm.settings import LlmSettings

if __name__ == "__main__":
    serve_configured(LlmSettings, create_app)
