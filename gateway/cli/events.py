"""The event stream of an answer, as the command line reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import orjson

from comps.core.error_shape import error_from_body, error_from_response
from comps.core.errors import UpstreamError

if TYPE_CHECKING:
    import httpx

Event = tuple[str, dict[str, Any]]


async def answer_events(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> AsyncIterator[Event]:
    """Name and data of each event; the last one is ``done``.

    Raises:
        AvatarError: the gateway refused, the turn failed, or the stream broke off.
    """
    import httpx

    headers = {"Accept": "text/event-stream"}
    ended = False
    try:
        async with client.stream("POST", path, json=body, headers=headers, timeout=httpx.Timeout(600.0)) as response:
            if not response.is_success:
                kind = response.headers.get("content-type", "")
                raise error_from_response(response.status_code, await response.aread(), kind, "gateway")
            async for name, data in _parsed(response.aiter_lines()):
                if name == "error":
                    raise error_from_body(data, "gateway")
                ended = name == "done"
                yield name, data
    except httpx.HTTPError as error:
        raise UpstreamError(f"the connection broke ({type(error).__name__})", service="gateway") from error
    if not ended:
        raise UpstreamError("the answer broke off", service="gateway")


async def _parsed(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    name = "message"
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, orjson.loads(line.removeprefix("data: "))
