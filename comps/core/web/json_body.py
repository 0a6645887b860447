"""JSON bodies: large ones are parsed on a worker thread, and by a parser that is quick at long strings.

Parsing holds the interpreter's lock, so a thread alone would not help others much: of 62 MB of base64 the standard
library's parser takes 0.3 s, pydantic's 0.1 s.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.to_thread
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json

LARGE_BYTES = 256 * 1024
"""A smaller body is parsed in less time than a thread takes to begin."""
_PARSERS = anyio.CapacityLimiter(2)


async def parsed(body: bytes) -> Any:
    """The value of a JSON text; raises ValueError (of it `json.JSONDecodeError`) when it is none."""
    if len(body) < LARGE_BYTES:
        return _loads(body)
    return await anyio.to_thread.run_sync(_parse, body, limiter=_PARSERS)


def _parse(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:
        return _loads(body)  # which says where the mistake is, or takes what few parsers do


def _loads(body: bytes) -> Any:
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


class JsonRequest(Request):
    """A request whose JSON is `parsed`."""

    async def json(self) -> Any:
        """The body's value, parsed once."""
        if not hasattr(self, "_json"):
            self._json = await parsed(await self.body())
        return self._json


class JsonRoute(APIRoute):
    """A route whose body may be large: ``APIRouter(route_class=JsonRoute)``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, given a `JsonRequest`."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(JsonRequest(request.scope, request.receive))

        return handle
