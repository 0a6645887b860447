"""The language model of a request, asked about before any stage works for it."""

from __future__ import annotations

from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from comps.core.client import Call, request_bytes
from comps.core.errors import AvatarError, EngineUnavailableError, UnknownChoiceError, UnprocessableError
from megaservice.transport.endpoint import Endpoint

_MOST_BYTES = 4 * 1024 * 1024
_MOST_NAMED = 8
_TIMEOUT_S, _ENGINE_TIMEOUT_S = 2.0, 30.0
"""Longest waits for the list: of the usual engine, and of one that is named and may have to be loaded first."""
_LATEST = ":latest"
"""Ollama's tag of a model named without one."""


class _Model(BaseModel):
    id: str


class _Listing(BaseModel):
    data: list[_Model]


class RemoteModels:
    """Asks the language model service which models it offers.

    Args:
        llm: the service, or None where a deployment has none.
    """

    def __init__(self, llm: Endpoint | None) -> None:
        self._llm = llm

    async def require(self, model: str, engine: str) -> None:
        """Raise UnprocessableError for a model that is not offered, so that none is ignored unseen.

        A server that lists no models, or fails to, may have it, and says so itself.

        Args:
            model: as the client named it; empty for the configured one, which needs no question.
            engine: of the language model service; empty for its usual one.

        Raises:
            UnprocessableError: the model is not offered, or the service has no such engine.
            EngineUnavailableError: it cannot load the engine.
        """
        if self._llm is None or not model:
            return
        offered = await self._offered(self._llm, engine)
        if offered and model.removesuffix(_LATEST) not in {name.removesuffix(_LATEST) for name in offered}:
            told = ", ".join(offered[:_MOST_NAMED])
            raise UnprocessableError(f"model '{model}' is not offered; offered: {told}", param="model")

    @staticmethod
    async def _offered(llm: Endpoint, engine: str) -> list[str]:
        """The names of the models; none where they cannot be had, as an answer still may be."""
        url = llm.url("/v1/models") + (f"?{urlencode({'engine': engine})}" if engine else "")
        limit_s = _ENGINE_TIMEOUT_S if engine else _TIMEOUT_S
        call = Call(llm.service, url, method="GET", timeout_s=limit_s, max_bytes=_MOST_BYTES)
        try:
            answer = await request_bytes(llm.client, call)
            return [row.id for row in _Listing.model_validate_json(answer.body).data]
        except (UnknownChoiceError, EngineUnavailableError):
            raise
        except (AvatarError, ValidationError):
            return []
