"""A client that leaves, a full gateway, and videos watched while they are made."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.gateway.conftest import Stack, open_stack


async def until(condition: Any) -> None:
    """Wait, within the test's own time limit, until `condition()` is true."""
    while not condition():  # noqa: ASYNC110 - what is waited for happens in servers of their own
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/v1/avatarchatbot", "application/json"),
        ("/v1/avatarchatbot", "video/mp4"),
        ("/v1/avatarchatbot/stream", "text/event-stream"),
    ],
)
async def test_a_client_that_leaves_stops_every_stage(stack: Stack, path: str, accept: str) -> None:
    stack.notes.hold = asyncio.Event()
    asking = asyncio.create_task(stack.client.post(path, json={"text": "hello"}, headers={"Accept": accept}))
    await until(lambda: stack.notes.running == {"llm", "animation"})
    asking.cancel()
    await until(lambda: not stack.notes.running)
    await until(lambda: not list(stack.outputs.iterdir()))
    stack.notes.hold = None
    assert (await stack.client.post(path, json={"text": "again"})).status_code == 200


async def test_more_turns_than_fit_are_refused_for_a_while(tmp_path: Path) -> None:
    async with AsyncExitStack() as exits:
        stack = await open_stack(exits, tmp_path, max_turns=1)
        stack.notes.hold = asyncio.Event()
        first = asyncio.create_task(stack.client.post("/v1/avatarchatbot", json={"text": "one"}))
        await until(lambda: "llm" in stack.notes.running)
        second = await stack.client.post("/v1/avatarchatbot", json={"text": "two"})
        assert second.status_code == 429
        assert int(second.headers["retry-after"]) >= 1
        assert second.json()["error"]["retryable"] is True
        stack.notes.hold.set()
        assert (await first).status_code == 200
        assert (await stack.client.post("/v1/avatarchatbot", json={"text": "three"})).status_code == 200


async def test_pending_turns_are_counted_down_after_failures(stack: Stack) -> None:
    for _ in range(3):
        await stack.client.post("/v1/avatarchatbot", json={"text": "hello", "voice": "nobody"})
    await stack.client.post("/v1/avatarchatbot", json={"text": "hello"})
    metrics = (await stack.client.get("/metrics")).text
    assert "megaservice_request_pending 0.0" in metrics
    assert 'avatar_turn_failures_total{failed_service="tts"} 3.0' in metrics
    assert "megaservice_request_latency_count 1.0" in metrics
    assert "megaservice_first_token_latency_count" in metrics
    assert "megaservice_inter_token_latency_count" in metrics
    assert "avatar_first_fragment_seconds_count 1.0" in metrics
    assert 'avatar_stage_seconds_count{stage="tts"} 1.0' in metrics


async def test_a_growing_video_can_be_watched(stack: Stack) -> None:
    stack.notes.hold = asyncio.Event()
    async with stack.client.stream("POST", "/v1/avatarchatbot/stream", json={"text": "hello"}) as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "event: start"
        live = orjson.loads((await anext(lines)).removeprefix("data: "))["live_path"]
        watching = asyncio.create_task(stack.client.get(live))
        await until(lambda: "animation" in stack.notes.running)
        stack.notes.hold.set()
        assert "event: done" in [line async for line in lines]
        watched = await watching
    assert watched.headers["content-type"] == "video/mp4"
    assert watched.content.count(b"moof") >= 1
    gone = await stack.client.get(live)
    assert gone.status_code == 404
    assert gone.json()["error"]["code"] == "not_found"


async def test_a_stream_that_breaks_in_the_middle_is_not_taken_for_whole(stack: Stack) -> None:
    body = {"text": "hello. Again", "voice": "default"}
    stack.notes.break_after = 1
    headers = {"Accept": "video/mp4"}
    with pytest.raises(httpx.RemoteProtocolError):
        await stack.client.post("/v1/avatarchatbot", json=body, headers=headers)
    events = (await stack.client.post("/v1/avatarchatbot/stream", json=body)).text
    assert "event: error" in events
    assert '"service":"animation"' in events
    assert "event: done" not in events
    reply = await stack.client.post("/v1/avatarchatbot", json=body)
    assert reply.status_code == 502
    assert list(stack.outputs.iterdir()) == []
