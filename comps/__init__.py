"""The names OPEA's users import from ``comps``, resolved when they are first used.

``import comps`` itself loads nothing, binds no port and starts no thread.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

_MODULES: Final[dict[str, tuple[str, ...]]] = {
    "comps.core.documents": (
        "Audio2TextDoc",
        "Audio2text",
        "Base64ByteStrDoc",
        "GeneratedDoc",
        "ImageDoc",
        "ImagePath",
        "ImagesPath",
        "LLMParams",
        "LLMParamsDoc",
        "SpeechDoc",
        "TaggedSentenceDoc",
        "TextDoc",
        "TopologyInfo",
        "VideoPath",
    ),
    "comps.core.protocol": (
        "AudioChatCompletionRequest",
        "AudioSpeechRequest",
        "AudioTranscriptionResponse",
        "ChatCompletionRequest",
        "ChatCompletionResponse",
        "ChatCompletionResponseChoice",
        "ChatMessage",
        "ErrorResponse",
        "UsageInfo",
    ),
    "comps.core.service_types": ("MegaServiceEndpoint", "ServiceRoleType", "ServiceType"),
    "comps.core.microservice": ("MicroService", "opea_microservices", "register_microservice"),
    "comps.core.statistics": ("register_statistics", "statistics_dict"),
    "megaservice.dag": ("DAG",),
    "megaservice.orchestrator": ("ServiceOrchestrator",),
    "megaservice.opea.yaml_flow": ("ServiceOrchestratorWithYaml",),
    "megaservice.opea.gateway": ("AvatarChatbotGateway", "Gateway"),
    "megaservice.opea.components": ("OpeaComponent", "OpeaComponentLoader", "OpeaComponentRegistry"),
    "megaservice.opea.logger": ("CustomLogger",),
    "megaservice.opea.telemetry": ("opea_telemetry",),
}
_HOME: Final = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Import the module that has `name`; later look-ups find it here directly."""
    if name not in _HOME:
        raise AttributeError(f"module 'comps' has no attribute '{name}'")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The exported names as well as those already loaded."""
    return sorted({*globals(), *_HOME})
