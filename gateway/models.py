"""The language model of a request, asked about before any stage works for it."""

from __future__ import annotations

from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from comps.core.client import Call, request_bytes
from comps.core.errors import MethodNotAllowedError, NotFoundError, UnprocessableError
from megaservice.transport.endpoint import Endpoint

_MOST_BYTES = 4 * 1024 * 1024
_MOST_NAMED = 8


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

        A server that lists no models may have it, and says so itself. Ollama's names need not end with their tag `latest`.

        Args:
            model: as the client named it; empty for the configured one, which needs no question.
            engine: of the language model service; empty for its usual one.
        """
        if self._llm is None or not model:
            return
        url = self._llm.url("/v1/models") + (f"?{urlencode({'engine': engine})}" if engine else "")
        call = Call(self._llm.service, url, method="GET", max_bytes=_MOST_BYTES)
        try:
            answer = await request_bytes(self._llm.client, call)
            offered = [row.id for row in _Listing.model_validate_json(answer.body).data]
        except (NotFoundError, MethodNotAllowedError, ValidationError):
            return
        if offered and not any(model in (name, name.removesuffix(":latest")) for name in offered):
            told = ", ".join(offered[:_MOST_NAMED])
            raise UnprocessableError(f"model '{model}' is not offered; offered: {told}", param="model")
