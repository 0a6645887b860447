"""For programs of OPEA 1.1: a gateway that serves from its constructor on, as theirs did.

Change their import line to ``from megaservice.opea.serving import AvatarChatbotGateway, ...``.
"""

from __future__ import annotations

from comps.core.microservice import MicroService
from comps.core.service_types import ServiceType
from megaservice.opea.gateway import AvatarChatbotGateway as StartedByHand
from megaservice.orchestrator import ServiceOrchestrator

__all__ = ["AvatarChatbotGateway", "MicroService", "ServiceOrchestrator", "ServiceType"]


class AvatarChatbotGateway(StartedByHand):
    """Constructing it serves until a signal or `stop`; only then does the constructor return."""

    def __init__(self, megaservice: ServiceOrchestrator, host: str = "0.0.0.0", port: int = 8888) -> None:
        super().__init__(megaservice, host, port)
        self.start()
