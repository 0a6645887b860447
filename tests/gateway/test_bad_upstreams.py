"""Services that are down, slow, or answer what they should not: real servers on real sockets."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import open_stack

STAGES = ("asr", "llm", "tts", "animation")
BODY = {"audio": base64.b64encode(b"a recording").decode()}
Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def http(body: bytes, kind: str, *, status: str = "200 OK", length: int | None = None) -> Reply:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        size = len(body) if length is None else length
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return reply


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x00\x01\x02 this is not HTTP at all\r\n\r\n")
    await writer.drain()


html = http(b"<html><h1>It works!</h1></html>", "text/html")
html_502 = http(b"<html><h1>Bad Gateway</h1></html>", "text/html", status="502 Bad Gateway")
garbage = http(b"\x8f\x00\xffgarbage" * 40, "application/json")
half = http(b'{"text": "what was', "application/json", length=4000)


@asynccontextmanager
async def misbehaving(reply: Reply) -> AsyncIterator[str]:
    """A server that treats every connection the same way."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reply(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()


def dead_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


async def answers(folder: Path, stage: str, url: str, **settings: Any) -> list[httpx.Response]:
    """The reply in two forms of a gateway whose `stage` is at `url`."""
    async with AsyncExitStack() as exits:
        stack = await open_stack(exits, folder, **{f"{stage}_url": url}, **settings)
        forms = ("application/json", "video/mp4")
        asked = (stack.client.post("/v1/avatarchatbot", json=BODY, headers={"Accept": form}) for form in forms)
        replies = await asyncio.gather(*asked)
        assert list(stack.outputs.iterdir()) == []
        return list(replies)


def check(replies: list[httpx.Response], status: int, service: str) -> None:
    for reply in replies:
        assert reply.status_code == status, reply.text
        error = reply.json()["error"]
        assert error["service"] == service
        assert error["message"]
        assert error["request_id"] == reply.headers["x-request-id"]
        assert "Traceback" not in reply.text
        assert "what was heard" not in error["message"]


async def check_each_stage(folder: Path, url: str, status: int, **settings: Any) -> None:
    """Four gateways at once, each with another stage at `url`: most of it is waiting."""

    async def asked(stage: str) -> list[httpx.Response]:
        own = folder / stage
        own.mkdir()
        return await answers(own, stage, url, **settings)

    for stage, replies in zip(STAGES, await asyncio.gather(*map(asked, STAGES)), strict=True):
        check(replies, status, stage)


async def test_a_service_that_is_down(tmp_path: Path) -> None:
    await check_each_stage(tmp_path, dead_url(), 502)


@pytest.mark.parametrize(
    "reply", [html, html_502, garbage, half, noise], ids=["html", "html502", "garbage", "half", "noise"]
)
async def test_a_service_that_answers_nonsense(tmp_path: Path, reply: Reply) -> None:
    async with misbehaving(reply) as url:
        await check_each_stage(tmp_path, url, 502)


async def test_a_service_that_is_silent(tmp_path: Path) -> None:
    # The time is for all stages together, so it is long beside what those before the silent one take.
    async with misbehaving(silent) as url:
        await check_each_stage(tmp_path, url, 504, request_timeout_s=6.0)


async def test_a_service_that_is_still_loading(tmp_path: Path) -> None:
    body = b'{"error": {"code": "not_ready", "message": "still loading", "service": "llm", "retryable": true}}'
    async with misbehaving(http(body, "application/json", status="503 Service Unavailable")) as url:
        check(await answers(tmp_path, "llm", url), 503, "llm")


async def test_a_service_that_refuses_for_a_while(tmp_path: Path) -> None:
    body = b'{"error": {"code": "busy", "message": "full", "service": "tts", "retryable": true}}'
    async with misbehaving(http(body, "application/json", status="429 Too Many Requests")) as url:
        replies = await answers(tmp_path, "tts", url)
    check(replies, 429, "tts")
    assert all("retry-after" in reply.headers for reply in replies)


async def test_the_event_stream_says_the_same(tmp_path: Path) -> None:
    async with AsyncExitStack() as exits:
        stack = await open_stack(exits, tmp_path, tts_url=dead_url())
        reply = await stack.client.post("/v1/avatarchatbot/stream", json=BODY)
        assert "event: error" in reply.text
        assert '"service":"tts"' in reply.text
