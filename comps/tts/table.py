"""The engines of TTS."""

from __future__ import annotations

from comps.core.engine import EngineSpec, EngineTable
from comps.tts.engine import TtsCapabilities, TtsEngine

_WHOLE = TtsCapabilities(streaming=False, phone_times=False)

TABLE: EngineTable[TtsEngine, TtsCapabilities] = EngineTable(
    "tts",
    (
        EngineSpec(
            "espeak",
            "comps.tts.engines.espeak:EspeakEngine",
            None,
            TtsCapabilities(streaming=True, phone_times=True),
            "eSpeak NG in this process: over 100 languages, exact phone times, no model to fetch",
        ),
        EngineSpec(
            "coqui",
            "comps.tts.engines.coqui:CoquiEngine",
            "coqui",
            _WHOLE,
            "Coqui TTS (coqui-tts): VITS, XTTS and others",
        ),
        EngineSpec(
            "transformers",
            "comps.tts.engines.transformers:TransformersEngine",
            "transformers",
            _WHOLE,
            "SpeechT5, VITS and MMS of Hugging Face transformers",
        ),
        EngineSpec(
            "openai",
            "comps.tts.engines.openai:OpenAIEngine",
            None,
            TtsCapabilities(streaming=True, phone_times=False),
            "any server with OpenAI's /v1/audio/speech",
        ),
    ),
)

OPEA_NAMES = {"OPEA_SPEECHT5_TTS": "transformers", "OPEA_GPTSOVITS_TTS": "openai"}
"""OPEA's component names, as ``TTS_COMPONENT_NAME`` has them, by our engine."""
