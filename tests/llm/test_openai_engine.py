"""The engine `openai` against real HTTP servers that answer well, badly, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest

from comps.core.errors import EngineUnavailableError, UnprocessableError, UpstreamError, UpstreamTimeoutError
from comps.core.serve import running
from comps.llm.engine import LlmOptions, Message, TextPiece, Usage
from comps.llm.engines.openai import OpenAiEngine, chat_base
from comps.llm.service import create_app
from comps.llm.settings import LlmSettings

from .conftest import serving

HELLO = (Message("user", "hello"),)


def chunk(text: str = "", finish: str | None = None, **extra: Any) -> bytes:
    body = {"choices": [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]} | extra
    return b"data: " + orjson.dumps(body) + b"\n\n"


USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2}}\n\n'
GOOD = chunk("Hello ") + chunk("there.") + chunk(finish="stop") + USAGE + b"data: [DONE]\n\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


class Upstream:
    """An HTTP server of raw bytes: says `answer`, then hangs up, or stays silent when told to `hold`."""

    def __init__(self, answer: bytes, *, hold: bool = False) -> None:
        self.answer = answer
        self.hold = hold
        self.url = ""
        self.requests: list[tuple[bytes, Any]] = []
        self.asked, self.left = asyncio.Event(), asyncio.Event()
        self.tasks: set[asyncio.Task[Any] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(v) for k, _, v in self._headers(head) if k == "content-length"), 0)
        body = await reader.readexactly(length)
        self.requests.append((head, orjson.loads(body) if body else None))
        self.asked.set()
        writer.write(self.answer)
        await writer.drain()
        if self.hold:
            await reader.read()
            self.left.set()

    @staticmethod
    def _headers(head: bytes) -> list[tuple[str, str, str]]:
        return [line.lower().partition(": ") for line in head.decode().split("\r\n")]


@asynccontextmanager
async def upstream(answer: bytes, *, hold: bool = False) -> AsyncIterator[Upstream]:
    server = Upstream(answer, hold=hold)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
        yield server
    await asyncio.gather(*(task for task in server.tasks if task))


@asynccontextmanager
async def engine_at(url: str, **settings: Any) -> AsyncIterator[OpenAiEngine]:
    engine = OpenAiEngine(LlmSettings(openai_base_url=url, **{"model": "m", **settings}))
    await engine.load()
    try:
        yield engine
    finally:
        await engine.close()


async def answer(url: str, options: LlmOptions | None = None, **settings: Any) -> list[TextPiece]:
    async with engine_at(url, **settings) as engine:
        return [piece async for piece in engine.generate(HELLO, options or LlmOptions())]


async def test_pieces_pass_as_they_come() -> None:
    async with upstream(HEAD + GOOD) as server:
        pieces = await answer(server.url)
    assert [piece.text for piece in pieces] == ["Hello ", "there.", ""]
    assert pieces[-1] == TextPiece("", finish="stop", usage=Usage(4, 2))


@pytest.mark.parametrize(
    "body",
    [
        GOOD.replace(b"\n\n", b"\r\n\r\n"),
        b": ping\n\nevent: message\n" + GOOD,
        chunk("Hello there.") + chunk(finish="stop"),
        b'{\n "choices": [{"message": {"content": "Hello there."}, "finish_reason": "stop"}]\n}',
    ],
)
async def test_dialects_of_the_same_answer(body: bytes) -> None:
    async with upstream(HEAD + body) as server:
        assert "".join(piece.text for piece in await answer(server.url)) == "Hello there."


async def test_a_cut_answer_says_so() -> None:
    async with upstream(HEAD + chunk("Hel") + chunk(finish="length") + b"data: [DONE]\n\n") as server:
        assert (await answer(server.url))[-1].finish == "length"


async def test_everything_asked_for_is_sent() -> None:
    options = LlmOptions(
        model="m", max_tokens=9, temperature=0.0, top_p=0.5, top_k=3, presence_penalty=0.1, frequency_penalty=0.2,
        repetition_penalty=1.1, stop=("x",), seed=7, user="u", language="zh",
    )  # fmt: skip
    async with upstream(HEAD + GOOD) as server:
        await answer(server.url, options)
        head, body = server.requests[0]
    assert head.startswith(b"POST /v1/chat/completions ")
    wanted = {
        "model": "m", "max_tokens": 9, "temperature": 0.0, "top_p": 0.5, "top_k": 3, "presence_penalty": 0.1,
        "frequency_penalty": 0.2, "repetition_penalty": 1.1, "stop": ["x"], "seed": 7, "user": "u", "stream": True,
    }  # fmt: skip
    assert {name: body[name] for name in wanted} == wanted
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert "'zh'" in body["messages"][0]["content"]


async def test_what_is_not_asked_for_is_not_sent() -> None:
    async with upstream(HEAD + GOOD) as server:
        await answer(server.url, system_prompt="")
        head, body = server.requests[0]
    assert set(body) == {"model", "messages", "max_tokens", "stream", "stream_options"}
    assert body["model"] == "m"
    assert b"authorization" not in head.lower()


async def test_the_key_is_sent_when_there_is_one() -> None:
    async with upstream(HEAD + GOOD) as server:
        await answer(server.url, openai_api_key="k3y", model="llama3")
        head, body = server.requests[0]
    assert b"authorization: bearer k3y" in head.lower()
    assert body["model"] == "llama3"


async def test_a_server_without_extra_sampling_gets_none() -> None:
    async with upstream(HEAD + GOOD) as server:
        await answer(server.url, LlmOptions(top_k=10, repetition_penalty=1.03), openai_extra_sampling=False)
        assert not {"top_k", "repetition_penalty"} & set(server.requests[0][1])
        with pytest.raises(UnprocessableError, match="top_k"):
            await answer(server.url, LlmOptions(top_k=40), openai_extra_sampling=False)


def plain(status: str, body: bytes, kind: str = "text/html") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (plain("200 OK", b"<html><body>Welcome</body></html>"), "Welcome"),
        (plain("500 Oops", b"<html>broken</html>"), "500"),
        (plain("503 Busy", b"{}", "application/json"), "503"),
        (plain("401 No", b'{"error": {"message": "bad key"}}', "application/json"), "bad key"),
        (plain("302 Found", b""), "302"),
        (HEAD + b"data: {not json}\n\n", "no chat answer"),
        (HEAD + b"data: [1, 2]\n\n", "no chat answer"),
        (HEAD + b'data: {"choices": 5}\n\n', "no chat answer"),
        (HEAD + b'data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
        (HEAD + chunk("Hello "), "broke off"),
        (HEAD, "broke off"),
        (HEAD + b"data: " + b"x" * 1_100_000, "more than"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999\r\n\r\n" + chunk("Hel"), "llm"),
        (b"SMTP ready\r\n", "llm"),
        (b"", "llm"),
    ],
)
async def test_a_bad_answer_is_an_error_that_names_the_service(raw: bytes, says: str) -> None:
    async with upstream(raw) as server:
        with pytest.raises(UpstreamError, match=says) as caught:
            await answer(server.url)
    assert caught.value.service == "llm"
    assert caught.value.status == 502


async def test_a_server_that_is_down() -> None:
    async with upstream(b"") as server:
        url = server.url
    with pytest.raises(UpstreamError, match="cannot be reached"):
        await answer(url)


@pytest.mark.parametrize("said", [b"", HEAD, HEAD + chunk("Hello ")])
async def test_a_server_that_falls_silent(said: bytes) -> None:
    async with upstream(said, hold=True) as server:
        with pytest.raises(UpstreamTimeoutError) as caught:
            await answer(server.url, openai_timeout_s=0.2)
    assert (caught.value.service, caught.value.status) == ("llm", 504)


async def test_closing_the_answer_closes_the_connection() -> None:
    async with upstream(HEAD + chunk("Hello "), hold=True) as server, engine_at(server.url) as engine:
        pieces = engine.generate(HELLO, LlmOptions())
        assert (await anext(pieces)).text == "Hello "
        await pieces.aclose()
        await asyncio.wait_for(server.left.wait(), 5)


async def test_the_check_asks_for_the_models() -> None:
    async with upstream(plain("200 OK", b'{"data": []}', "application/json")) as server:
        async with engine_at(server.url) as engine:
            assert await engine.check() == {"server": "ok"}
        url = server.url
    async with engine_at(url) as engine:
        assert "cannot be reached" in (await engine.check())["server"]


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://h:1", "http://h:1/v1/"),
        ("http://h:1/", "http://h:1/v1/"),
        ("https://h/v1", "https://h/v1/"),
        ("https://h/api/v3/", "https://h/api/v3/"),
    ],
)
def test_addresses_with_and_without_a_path(url: str, base: str) -> None:
    assert chat_base(url) == base


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://h/v1", "http://"])
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(EngineUnavailableError, match="AVATAR_LLM_OPENAI_BASE_URL"):
        chat_base(url)


def service(server: Upstream, **settings: Any) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    return serving(LlmSettings(engine="openai", openai_base_url=server.url, **{"model": "m", **settings}))


@pytest.mark.parametrize(
    ("raw", "hold", "status"),
    [(plain("500 Oops", b"<html>"), False, 502), (b"", True, 504), (plain("429 Slow", b"{}"), False, 429)],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_the_service_passes_upstream_failures_on(raw: bytes, hold: bool, status: int, stream: bool) -> None:
    async with upstream(raw, hold=hold) as server, service(server, openai_timeout_s=0.2) as http:
        response = await http.post("/v1/chat/completions", json={"messages": "hi", "stream": stream})
    assert response.status_code == status
    assert response.json()["error"]["service"] == "llm"


async def test_a_failure_in_the_middle_of_a_stream_is_its_last_event() -> None:
    async with upstream(HEAD + chunk("Hello ")) as server, service(server) as http:
        response = await http.post("/v1/chat/completions", json={"messages": "hi", "stream": True})
    assert response.status_code == 200
    *_, said, failed = [line[6:] for line in response.text.split("\n\n") if line]
    assert "Hello " in said
    assert orjson.loads(failed)["error"]["code"] == "upstream_failed"
    assert "[DONE]" not in response.text


def request_bytes(stream: bool) -> bytes:
    body = orjson.dumps({"messages": "hi", "stream": stream})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_stops_the_model(stream: bool) -> None:
    async with upstream(HEAD + chunk("Hello "), hold=True) as server:
        app = create_app(LlmSettings(engine="openai", openai_base_url=server.url, model="m"))
        async with running(app) as url:
            await app.state.readiness.settled()
            host, _, port = url.removeprefix("http://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(request_bytes(stream))
            if stream:
                await asyncio.wait_for(reader.readuntil(b"Hello "), 10)
            else:
                await asyncio.wait_for(server.asked.wait(), 10)
            assert not server.left.is_set()
            writer.close()
            await asyncio.wait_for(server.left.wait(), 10)


async def test_done_without_a_reason_is_the_end() -> None:
    async with upstream(HEAD + chunk("Hello ") + chunk("there.") + b"data: [DONE]\n\n") as server:
        pieces = await answer(server.url)
    assert "".join(piece.text for piece in pieces) == "Hello there."
    assert pieces[-1].finish == "stop"
