"""The chatbot as OPEA wires it: four remote services in a chain behind one endpoint."""

from __future__ import annotations

import itertools
import os
from typing import Any

from fastapi import Request

from comps.core.microservice import MicroService
from comps.core.service_types import ServiceType
from megaservice.opea.gateway import AvatarChatbotGateway
from megaservice.orchestrator import ServiceOrchestrator

_STAGES = (
    ("asr", ServiceType.ASR, ("WHISPER_SERVER", "ASR_SERVICE"), 7066, "/v1/asr"),
    ("llm", ServiceType.LLM, ("LLM_SERVER", "LLM_SERVICE"), 3006, "/v1/chat/completions"),
    ("tts", ServiceType.TTS, ("SPEECHT5_SERVER", "TTS_SERVICE"), 7055, "/v1/tts"),
    ("animation", ServiceType.ANIMATION, ("ANIMATION_SERVICE",), 9066, "/v1/animation"),
)


class AvatarChatbotService:
    """asr → llm → tts → animation, each where OPEA's variables say (``WHISPER_SERVER_HOST_IP`` and so on)."""

    def __init__(self, host: str = "0.0.0.0", port: int = 8888) -> None:
        self.host, self.port = host, port
        self.megaservice = ServiceOrchestrator()
        self.gateway = AvatarChatbotGateway(self.megaservice, host, port)
        self.endpoint = self.gateway.endpoint

    def add_remote_service(self) -> None:
        """Add the four services and the edges between them."""
        services = [_remote(*stage) for stage in _STAGES]
        for service in services:
            self.megaservice.add(service)
        for before, after in itertools.pairwise(services):
            self.megaservice.flow_to(before, after, strict=True)

    async def handle_request(self, request: Request) -> Any:
        """The path of the video that answers the recording in the request's body."""
        return await self.gateway.handle_request(request)

    def start(self) -> None:
        """Bind the port and serve; blocks until `stop` or a signal."""
        self.gateway.start()

    def stop(self) -> None:
        """Make `start` return."""
        self.gateway.stop()


def _remote(name: str, kind: ServiceType, variables: tuple[str, ...], port: int, endpoint: str) -> MicroService:
    host = _variable(variables, "_HOST_IP") or "127.0.0.1"
    return MicroService(
        name,
        host=host,
        port=int(_variable(variables, "_PORT") or port),
        endpoint=endpoint,
        use_remote_service=True,
        service_type=kind,
    )


def _variable(names: tuple[str, ...], suffix: str) -> str:
    return next((value for name in names if (value := os.environ.get(name + suffix))), "")
