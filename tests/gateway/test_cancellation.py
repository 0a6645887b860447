"""A client that leaves, a full gateway, and videos watched while they are made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from gateway.streams import EventStream, VideoStream
from gateway.turn_reply import Account
from megaservice.flow.events import Event, MediaInit, TextDelta
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


async def test_clients_that_read_nothing_give_their_places_back_when_they_leave(tmp_path: Path) -> None:
    async with AsyncExitStack() as exits:
        stack = await open_stack(exits, tmp_path, max_turns=2)
        body = orjson.dumps({"text": "hello. " * 2000, "stream": True})
        host, port = stack.url.removeprefix("http://").split(":")
        head = f"POST /v1/say HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        writers = []
        for _ in range(2):
            _, writer = await asyncio.open_connection(host, int(port), limit=1)
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            writers.append(writer)
        await until(lambda: len(stack.notes.animation) == 2)
        assert (await stack.client.post("/v1/say", json={"text": "x"})).status_code == 429
        for writer in writers:
            writer.transport.abort()
        await until(lambda: not stack.notes.running and not list(stack.outputs.iterdir()))
        assert (await stack.client.post("/v1/say", json={"text": "x"})).status_code == 200


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
        undecodable = {"audio": "bm8gc291bmQ=", "image": "bm8gcGljdHVyZQ=="}
        refused = await stack.client.post("/v1/animate", json=undecodable)
        assert refused.status_code == 429, "what was sent is looked at only once there is a place"
        assert not stack.notes.pictures
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


@pytest.mark.parametrize(("accept", "piece"), [("video/mp4", MediaInit), ("text/event-stream", TextDelta)])
async def test_a_client_that_never_reads_loses_its_place(
    monkeypatch: pytest.MonkeyPatch, accept: str, piece: type[Any]
) -> None:
    monkeypatch.setattr("gateway.streams.WRITE_TIMEOUT_S", 0.05)
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[Event, None]:
        try:
            while True:
                yield MediaInit("video/mp4", 64, 64, 25.0, b"x") if piece is MediaInit else TextDelta("x")
        finally:
            closed.set()

    async def never_read(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    account = Account("video")
    streams = {"video/mp4": VideoStream(endless(), account), "text/event-stream": EventStream(endless(), account, "")}
    await streams[accept]({"type": "http"}, never_read, never_read)  # type: ignore[arg-type]
    assert closed.is_set()
