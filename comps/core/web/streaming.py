"""Streamed answers: begun before their status is sent, and stopped at their source when the client leaves."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

import anyio
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from comps.core.errors import UpstreamError

ItemT = TypeVar("ItemT")

_EVENT_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class ClosingStream(StreamingResponse):
    """A streamed body whose source is closed as soon as the client has left or the body is complete."""

    def __init__(
        self, source: AsyncGenerator[bytes, None], media_type: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(source, media_type=media_type, headers=headers)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the body; the source is closed however this ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._source.aclose()


def event_stream(source: AsyncGenerator[bytes, None]) -> ClosingStream:
    """Server-sent events, which no proxy may keep or gather."""
    return ClosingStream(source, "text/event-stream", _EVENT_HEADERS)


async def begun(items: AsyncGenerator[ItemT, None], service: str) -> AsyncGenerator[ItemT, None]:
    """The same items, the first one made already, so that a failure to begin has its own status.

    Raises:
        UpstreamError: there is not one item.
    """
    try:
        first = await anext(items)
    except StopAsyncIteration:
        raise UpstreamError(f"the engine of {service} answered nothing", service=service) from None
    return _resumed(first, items)


async def _resumed(first: ItemT, rest: AsyncGenerator[ItemT, None]) -> AsyncGenerator[ItemT, None]:
    async with aclosing(rest):
        yield first
        async for item in rest:
            yield item
