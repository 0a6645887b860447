from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from comps.core.errors import UpstreamError
from comps.core.web.streaming import begun, event_stream


async def test_a_client_who_leaves_while_a_send_is_blocked_stops_the_source() -> None:
    closed, blocked = asyncio.Event(), asyncio.Event()

    async def source() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"data: x\n\n"
        finally:
            closed.set()

    async def receive() -> Message:
        await blocked.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            blocked.set()
            await asyncio.Event().wait()

    response = event_stream(source())
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    await response({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
    assert closed.is_set()


async def test_what_has_begun_goes_on_and_closes_its_source() -> None:
    closed = False

    async def source() -> AsyncGenerator[int, None]:
        nonlocal closed
        try:
            for number in range(9):
                yield number
        finally:
            closed = True

    items = await begun(source(), "asr")
    assert [await anext(items), await anext(items)] == [0, 1]
    await items.aclose()
    assert closed


async def test_nothing_at_all_is_an_error_of_the_service() -> None:
    async def source() -> AsyncGenerator[int, None]:
        for number in range(0):
            yield number

    with pytest.raises(UpstreamError, match="asr answered nothing"):
        await begun(source(), "asr")
