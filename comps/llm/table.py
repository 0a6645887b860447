"""The engines of the LLM service."""

from __future__ import annotations

from comps.core.engine import EngineSpec, EngineTable
from comps.llm.engine import LlmCapabilities, LlmEngine

LLM_ENGINES: EngineTable[LlmEngine, LlmCapabilities] = EngineTable(
    "llm",
    (
        EngineSpec(
            "knowledge",
            "comps.llm.engines.knowledge:KnowledgeEngine",
            None,
            LlmCapabilities(sampling=False),
            "answers from a folder of Markdown, embedded",
        ),
        EngineSpec(
            "transformers",
            "comps.llm.engines.transformers:TransformersEngine",
            "transformers",
            LlmCapabilities(sampling=True),
            "any causal language model of Hugging Face, in this process",
        ),
        EngineSpec(
            "openai",
            "comps.llm.engines.openai:OpenAiEngine",
            None,
            LlmCapabilities(sampling=True),
            "any OpenAI-compatible server: vLLM, TGI, Ollama...",
        ),
    ),
)
