"""Questions to begin with, from the language model service where it knows any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, ValidationError

from comps.core.client import Call, request_bytes
from comps.core.errors import AvatarError, NotReadyError
from megaservice.transport.endpoint import Endpoint

LOOKUP_S = 2.0
_MOST = 20


class Suggestion(BaseModel):
    """A question, and the BCP 47 tag of its language."""

    text: str = Field(max_length=500)
    language: str = ""


class Suggestions(BaseModel):
    """Best first."""

    suggestions: list[Suggestion] = Field(default_factory=list, max_length=_MOST)


def suggestion_routes(endpoint_of: Callable[[str], Endpoint]) -> APIRouter:
    """`GET /v1/suggestions`; empty for the servers of others, which have no such route."""
    router = APIRouter(tags=["llm"])

    @router.get("/v1/suggestions")
    async def suggestions(
        language: Annotated[str, Query(max_length=35)] = "", count: Annotated[int, Query(ge=1, le=_MOST)] = 4
    ) -> Suggestions:
        """Questions that the language model service is sure to answer; empty where it has no topics of its own."""
        try:
            endpoint = endpoint_of("llm")
            url = endpoint.url("/v1/suggestions") + "?" + urlencode({"language": language, "count": count})
            answer = await request_bytes(endpoint.client, Call("llm", url, method="GET", timeout_s=LOOKUP_S))
            return Suggestions.model_validate_json(answer.body)
        except NotReadyError:  # it may have some in a moment
            raise
        except (AvatarError, ValidationError):
            return Suggestions()

    return router
