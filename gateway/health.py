"""State of the services behind the gateway, and OPEA's lists of services and parameters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from comps.core.error_shape import error_body
from comps.core.errors import NotReadyError
from comps.core.web.readiness import Readiness
from gateway.request import AvatarChatRequest
from megaservice.transport.endpoint import Endpoint

CHECK_S = 1.5
DESCRIPTIONS: dict[str, tuple[str, str]] = {
    "asr": ("Speech to text", "/v1/audio/transcriptions"),
    "llm": ("Question to answer", "/v1/chat/completions"),
    "tts": ("Text to speech with phone times", "/v1/tts/stream"),
    "animation": ("Speech to talking face", "/v1/animation/stream"),
}
"""Node to what it does and the route the gateway calls."""


class Nodes:
    """Asks the services how they are.

    Args:
        endpoints: gives the endpoints by name; they exist once the gateway has started.
    """

    def __init__(self, endpoints: Callable[[], Mapping[str, Endpoint]]) -> None:
        self._endpoints = endpoints

    async def states(self) -> dict[str, str]:
        """Service name to ``ok`` or a sentence that says what is wrong."""
        endpoints = self._endpoints()
        if not endpoints:
            return {"gateway": "is still starting"}
        states = await asyncio.gather(*(_state(endpoint) for endpoint in endpoints.values()))
        return dict(zip(endpoints, states, strict=True))

    def listing(self) -> dict[str, dict[str, str]]:
        """OPEA's list: node to its description and endpoint."""
        return {
            f"{name}/MicroService": {
                "description": DESCRIPTIONS[name][0],
                "endpoint": endpoint.url(DESCRIPTIONS[name][1]),
            }
            for name, endpoint in self._endpoints().items()
        }


async def _state(endpoint: Endpoint) -> str:
    try:
        response = await endpoint.client.get(endpoint.url("/readyz"), timeout=CHECK_S)
    except httpx.TimeoutException:
        return f"no answer within {CHECK_S:g} s"
    except httpx.HTTPError:
        return "cannot be reached"
    if response.is_success or response.status_code == 404:
        return "ok"  # a foreign server (vLLM, Ollama...) has no /readyz, but it answers
    return _reason(response)


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"answered with status {response.status_code}"


def health_routes(nodes: Nodes, readiness: Readiness) -> APIRouter:
    """`/ready`, and OPEA's lists. Include it before the probes every service has: its `/ready` asks the nodes."""
    router = APIRouter(tags=["operations"])

    @router.get("/ready")
    async def ready() -> JSONResponse:
        """200 when every node answers and the gateway takes questions, else 503 that names those that do not."""
        return await _ready(nodes, readiness)

    @router.get("/v1/list_service")
    async def list_service() -> dict[str, dict[str, str]]:
        """The nodes behind this gateway."""
        return nodes.listing()

    @router.get("/v1/list_parameters")
    async def list_parameters() -> dict[str, Any]:
        """The request of `POST /v1/avatarchatbot` as a JSON schema."""
        return AvatarChatRequest.model_json_schema()

    return router


async def _ready(nodes: Nodes, readiness: Readiness) -> JSONResponse:
    states = await nodes.states()
    missing = [f"{name}: {state}" for name, state in states.items() if state != "ok"]
    if not missing and readiness.state != "ready":
        missing = [f"gateway: {readiness.reason}"]
    if not missing:
        return JSONResponse({"status": "ready", "nodes": states})
    body = {"status": "degraded", "nodes": states, **error_body(NotReadyError("; ".join(missing)), "gateway")}
    return JSONResponse(body, status_code=503, headers={"Retry-After": "1"})
