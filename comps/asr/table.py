"""The engines of ASR."""

from __future__ import annotations

from comps.asr.engine import AsrCapabilities, AsrEngine
from comps.core.engine import EngineSpec, EngineTable

ANY_LANGUAGE: tuple[str, ...] = ()

TABLE: EngineTable[AsrEngine, AsrCapabilities] = EngineTable(
    "asr",
    (
        EngineSpec(
            "pocketsphinx",
            "comps.asr.engines.pocketsphinx:PocketSphinxEngine",
            None,
            AsrCapabilities(partials=True, word_times=True, languages=("en",)),
            "PocketSphinx in this process, adapted to the knowledge base: English, no model to fetch",
        ),
        EngineSpec(
            "whisper",
            "comps.asr.engines.whisper:WhisperEngine",
            "whisper",
            AsrCapabilities(partials=False, word_times=True, languages=ANY_LANGUAGE),
            "openai-whisper on torch: about 100 languages",
        ),
        EngineSpec(
            "faster_whisper",
            "comps.asr.engines.faster_whisper:FasterWhisperEngine",
            "faster-whisper",
            AsrCapabilities(partials=True, word_times=True, languages=ANY_LANGUAGE),
            "Whisper on CTranslate2: about 100 languages, quick on a CPU",
        ),
        EngineSpec(
            "openai",
            "comps.asr.engines.openai:OpenAIEngine",
            None,
            AsrCapabilities(partials=True, word_times=True, languages=ANY_LANGUAGE),
            "any server with OpenAI's /v1/audio/transcriptions",
        ),
    ),
)

OPEA_NAMES = {"OPEA_WHISPER_ASR": "whisper", "OPEA_FUNASR_PARAFORMER_ASR": "openai"}
"""OPEA's component names, as ``ASR_COMPONENT_NAME`` has them, by our engine."""
