"""The event stream of an answer, as the command line reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import orjson

from comps.core.error_shape import error_from_body, error_from_response
from comps.core.errors import UpstreamError
from comps.core.sse import StreamOptions, read_events

if TYPE_CHECKING:
    import httpx

Event = tuple[str, dict[str, Any]]

# a fragment of video in base64; a whole answer has no usual length
_MEDIA = StreamOptions(event_bytes=64 * 1024 * 1024, stream_bytes=1 << 40)


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
            async with aclosing(read_events(response.aiter_bytes(), "gateway", _MEDIA)) as events:
                async for event in events:
                    data = orjson.loads(event.data)
                    if event.name == "error":
                        raise error_from_body(data, "gateway")
                    ended = event.name == "done"
                    yield event.name, data
    except orjson.JSONDecodeError as error:
        raise UpstreamError("the gateway's events are not JSON", service="gateway") from error
    except httpx.HTTPError as error:
        raise UpstreamError(f"the connection broke ({type(error).__name__})", service="gateway") from error
    if not ended:
        raise UpstreamError("the answer broke off", service="gateway")
