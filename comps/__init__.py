"""The names OPEA's users import from ``comps``, resolved when they are first used.

``import comps`` itself loads nothing, binds no port and starts no thread.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from comps.core.documents import Audio2text as Audio2text
    from comps.core.documents import Audio2TextDoc as Audio2TextDoc
    from comps.core.documents import Base64ByteStrDoc as Base64ByteStrDoc
    from comps.core.documents import GeneratedDoc as GeneratedDoc
    from comps.core.documents import ImageDoc as ImageDoc
    from comps.core.documents import ImagePath as ImagePath
    from comps.core.documents import ImagesPath as ImagesPath
    from comps.core.documents import LLMParams as LLMParams
    from comps.core.documents import LLMParamsDoc as LLMParamsDoc
    from comps.core.documents import SpeechDoc as SpeechDoc
    from comps.core.documents import TaggedSentenceDoc as TaggedSentenceDoc
    from comps.core.documents import TextDoc as TextDoc
    from comps.core.documents import TopologyInfo as TopologyInfo
    from comps.core.documents import VideoPath as VideoPath
    from comps.core.microservice import MicroService as MicroService
    from comps.core.microservice import opea_microservices as opea_microservices
    from comps.core.microservice import register_microservice as register_microservice
    from comps.core.protocol import AudioChatCompletionRequest as AudioChatCompletionRequest
    from comps.core.protocol import AudioSpeechRequest as AudioSpeechRequest
    from comps.core.protocol import AudioTranscriptionResponse as AudioTranscriptionResponse
    from comps.core.protocol import ChatCompletionRequest as ChatCompletionRequest
    from comps.core.protocol import ChatCompletionResponse as ChatCompletionResponse
    from comps.core.protocol import ChatCompletionResponseChoice as ChatCompletionResponseChoice
    from comps.core.protocol import ChatMessage as ChatMessage
    from comps.core.protocol import ErrorResponse as ErrorResponse
    from comps.core.protocol import UsageInfo as UsageInfo
    from comps.core.service_types import MegaServiceEndpoint as MegaServiceEndpoint
    from comps.core.service_types import ServiceRoleType as ServiceRoleType
    from comps.core.service_types import ServiceType as ServiceType
    from comps.core.statistics import register_statistics as register_statistics
    from comps.core.statistics import statistics_dict as statistics_dict
    from megaservice.dag import DAG as DAG
    from megaservice.opea.components import OpeaComponent as OpeaComponent
    from megaservice.opea.components import OpeaComponentLoader as OpeaComponentLoader
    from megaservice.opea.components import OpeaComponentRegistry as OpeaComponentRegistry
    from megaservice.opea.gateway import AvatarChatbotGateway as AvatarChatbotGateway
    from megaservice.opea.gateway import Gateway as Gateway
    from megaservice.opea.logger import CustomLogger as CustomLogger
    from megaservice.opea.telemetry import opea_telemetry as opea_telemetry
    from megaservice.opea.yaml_flow import ServiceOrchestratorWithYaml as ServiceOrchestratorWithYaml
    from megaservice.orchestrator import ServiceOrchestrator as ServiceOrchestrator

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

__all__ = sorted(_HOME)


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
