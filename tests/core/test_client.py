from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from comps.core.client import Call, ClientOptions, create_client, request_bytes, request_json, stream_bytes
from comps.core.context import deadline_var, request_id_var
from comps.core.errors import (
    AvatarError,
    BusyError,
    EngineUnavailableError,
    NotFoundError,
    UnknownChoiceError,
    UnprocessableError,
    UpstreamError,
    UpstreamTimeoutError,
)
from comps.core.serve import running, started
from comps.core.settings import ServiceSettings

from .conftest import make_app

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as url, create_client(url) as client:
        yield client


@asynccontextmanager
async def raw_server(answer: bytes, *, hold: bool = False) -> AsyncIterator[str]:
    """A server that sends `answer` whatever it is asked, then hangs up (or, with `hold`, stays silent)."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if not hold:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for writer in writers:
            writer.close()
        server.close()
        await server.wait_closed()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_json_and_streams_come_back() -> None:
    async with client_of(make_app()) as client:
        assert (await request_json(client, Call("tts", "/v1/echo", json={"text": "hi"})))["text"] == "hi"
        call = Call("tts", "/v1/stream", method="GET")
        assert b"".join([piece async for piece in stream_bytes(client, call)]) == b"onetwothree"
        answer = await request_bytes(client, call)
        assert (answer.status, answer.body, answer.content_type) == (200, b"onetwothree", "application/octet-stream")


@pytest.mark.parametrize(
    ("method", "path", "kind", "status", "words"),
    [
        ("POST", "/v1/voice", UnknownChoiceError, 422, "there are: a, b"),
        ("POST", "/v1/echo", AvatarError, 400, "empty"),
        ("GET", "/v1/avatar", NotFoundError, 404, "no avatar 'x'"),
        ("GET", "/v1/openai_error", NotFoundError, 404, "model is gone"),
        ("GET", "/v1/broken", UpstreamError, 502, "status 500"),
        ("GET", "/v1/bad_gateway", UpstreamError, 502, "status 502: <html>xxx"),
        ("GET", "/v1/html", UpstreamError, 502, "text/html instead of JSON: <html><h1>It works!"),
        ("GET", "/v1/stream", UpstreamError, 502, "application/octet-stream instead of JSON"),
        ("GET", "/v1/half", UpstreamError, 502, "RemoteProtocolError"),
    ],
)
async def test_failures_of_a_service_become_ours(
    method: str, path: str, kind: type[AvatarError], status: int, words: str
) -> None:
    async with client_of(make_app()) as client:
        with pytest.raises(kind, match=None) as failure:
            await request_json(client, Call("tts", path, method=method))
    assert failure.value.status == status
    assert failure.value.service == "tts"
    assert words in failure.value.message
    assert len(failure.value.message) < 400


async def test_an_error_of_a_service_further_down_keeps_its_name() -> None:
    app = make_app()

    @app.get("/v1/deep")
    async def deep() -> None:
        raise UnprocessableError("nobody to hear", service="asr", param="audio")

    async with client_of(app) as client:
        with pytest.raises(UnprocessableError) as failure:
            await request_json(client, Call("gateway", "/v1/deep", method="GET"))
    assert (failure.value.service, failure.value.param) == ("asr", "audio")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x01garbage\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n{"text":',
    ],
)
async def test_garbage_and_half_a_body_are_upstream_failures(answer: bytes) -> None:
    async with raw_server(answer) as url, create_client(url) as client:
        with pytest.raises(UpstreamError) as failure:
            await request_json(client, Call("asr", "/v1/asr", json={}))
        assert (failure.value.status, failure.value.service) == (502, "asr")
        with pytest.raises(UpstreamError):
            [piece async for piece in stream_bytes(client, Call("asr", "/v1/asr"))]


async def test_a_service_that_is_down_is_named() -> None:
    async with create_client() as client:
        with pytest.raises(UpstreamError, match="llm cannot be reached"):
            await request_json(client, Call("llm", f"http://127.0.0.1:{free_port()}/v1/chat/completions"))


@pytest.mark.parametrize(
    "call", [Call("tts", "/v1/slow", timeout_s=0.7), Call("tts", "/v1/slow_stream", timeout_s=0.7, method="GET")]
)
async def test_a_silent_service_times_out_and_is_told_to_stop(call: Call) -> None:
    app = make_app()
    async with client_of(app) as client:
        with pytest.raises(UpstreamTimeoutError, match="tts did not"):
            await request_bytes(client, call)
        await app.state.events.wait_for("cancelled")


async def test_silence_before_and_inside_a_stream_times_out() -> None:
    options = ClientOptions(read_timeout_s=0.1)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst"
    async with raw_server(head, hold=True) as url, create_client(url, options) as client:
        stream = stream_bytes(client, Call("tts", "/x"))
        assert await anext(stream) == b"first"
        with pytest.raises(UpstreamTimeoutError):
            await anext(stream)
    async with raw_server(b"", hold=True) as url, create_client(url) as client:
        with pytest.raises(UpstreamTimeoutError):
            await anext(stream_bytes(client, Call("tts", "/x", timeout_s=0.1)))


async def test_closing_a_stream_stops_the_service() -> None:
    app = make_app()
    async with client_of(app) as client:
        stream = stream_bytes(client, Call("tts", "/v1/slow_stream", method="GET"))
        assert await anext(stream) == b"first"
        await app.state.events.wait_for("started")
        await stream.aclose()  # type: ignore[attr-defined]
        await app.state.events.wait_for("cancelled")


async def test_cancelling_a_call_stops_the_service() -> None:
    app = make_app()
    async with client_of(app) as client:
        task = asyncio.create_task(request_json(client, Call("tts", "/v1/slow")))
        await app.state.events.wait_for("started")
        task.cancel()
        await app.state.events.wait_for("cancelled")


async def test_an_answer_over_the_limit_is_refused() -> None:
    async with client_of(make_app()) as client:
        with pytest.raises(UpstreamError, match="more than 5 bytes"):
            await request_bytes(client, Call("tts", "/v1/stream", method="GET", max_bytes=5))


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "identity"}])
async def test_bodies_that_were_there_at_once_are_read_and_bounded_too(headers: dict[str, str]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        status = 404 if request.url.path == "/none" else 200
        return httpx.Response(status, headers=headers, json={"error": {"message": "no such thing"}})

    async with create_client("http://tts", ClientOptions(transport=httpx.MockTransport(answer))) as client:
        assert "error" in await request_json(client, Call("tts", "/v1/voices", method="GET"))
        with pytest.raises(NotFoundError, match="no such thing"):
            await request_json(client, Call("tts", "/none", method="GET"))
        with pytest.raises(UpstreamError, match="more than 5 bytes"):
            await request_bytes(client, Call("tts", "/v1/voices", method="GET", max_bytes=5))


def _mirror() -> FastAPI:
    app = make_app()

    @app.get("/v1/headers")
    async def headers(request: Request) -> dict[str, str]:
        return dict(request.headers)

    return app


async def test_request_id_and_remaining_time_travel_along() -> None:
    async with client_of(_mirror()) as client:
        call = Call("tts", "/v1/headers", method="GET")
        plain = await request_json(client, call)
        assert "x-request-id" not in plain
        assert "x-deadline-ms" not in plain
        id_token = request_id_var.set("turn-1")
        deadline_token = deadline_var.set(asyncio.get_running_loop().time() + 30)
        try:
            carried = await request_json(client, call)
            shorter = await request_json(client, Call("tts", "/v1/headers", method="GET", timeout_s=5))
        finally:
            request_id_var.reset(id_token)
            deadline_var.reset(deadline_token)
        assert carried["x-request-id"] == "turn-1"
        assert 25_000 < int(carried["x-deadline-ms"]) <= 30_000
        assert int(shorter["x-deadline-ms"]) <= 5_000


async def test_a_deadline_that_has_passed_ends_the_call() -> None:
    token = deadline_var.set(0.0)
    try:
        async with client_of(make_app()) as client:
            with pytest.raises(UpstreamTimeoutError):
                await request_json(client, Call("tts", "/v1/echo", json={"text": "a"}))
    finally:
        deadline_var.reset(token)


async def test_the_key_is_sent_only_when_there_is_one() -> None:
    async with running(_mirror()) as url:
        call = Call("llm", "/v1/headers", method="GET")
        for key, sent in ((None, None), ("", None), ("abc", "Bearer abc")):
            async with create_client(url, ClientOptions(api_key=key)) as client:
                assert (await request_json(client, call)).get("authorization") == sent


async def test_proxies_of_the_environment_are_not_used_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with client_of(make_app()) as client:
        assert (await request_json(client, Call("tts", "/v1/echo", json={"text": "a"})))["text"] == "a"


async def test_a_service_in_this_process_is_called_the_same_way() -> None:
    async with started(make_app()) as app:
        options = ClientOptions(transport=httpx.ASGITransport(app))
        async with create_client("http://tts", options) as client:
            assert (await request_json(client, Call("tts", "/v1/echo", json={"text": "a"})))["text"] == "a"
            with pytest.raises(UnknownChoiceError):
                await request_json(client, Call("tts", "/v1/voice"))


async def test_connections_are_kept_alive() -> None:
    app = make_app()
    clients: set[tuple[str, int]] = set()

    @app.get("/v1/peer")
    async def peer(request: Request) -> None:
        assert request.client is not None
        clients.add((request.client.host, request.client.port))

    async with client_of(app) as client:
        for _ in range(5):
            await request_json(client, Call("tts", "/v1/peer", method="GET"))
    assert len(clients) == 1


def _failing_first(times: int, response: Callable[[], Response]) -> tuple[FastAPI, list[int]]:
    app = make_app(ServiceSettings())
    calls: list[int] = []

    @app.post("/v1/flaky")
    async def flaky() -> Response:
        calls.append(1)
        return response() if len(calls) <= times else JSONResponse("good")

    return app, calls


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comps.core.client._RETRIES_AFTER_S", (0.01, 0.01, 0.01))


async def test_a_passing_failure_is_tried_again_only_when_harmless() -> None:
    app, calls = _failing_first(2, lambda: Response("starting", 502))
    async with client_of(app) as client:
        with pytest.raises(UpstreamError):
            await request_json(client, Call("tts", "/v1/flaky"))
        assert len(calls) == 1
        assert await request_json(client, Call("tts", "/v1/flaky", idempotent=True)) == "good"
        assert len(calls) == 3


async def test_retries_end() -> None:
    app, calls = _failing_first(99, lambda: Response("starting", 502))
    async with client_of(app) as client:
        with pytest.raises(UpstreamError):
            await request_json(client, Call("tts", "/v1/flaky", idempotent=True))
    assert len(calls) == 4


async def test_a_busy_service_is_asked_again_after_the_time_it_says() -> None:
    def busy() -> Response:
        body = {"error": {"code": "busy", "message": "full", "service": "tts", "retryable": True}}
        return JSONResponse(body, 429, {"Retry-After": "0"})

    app, calls = _failing_first(1, busy)
    async with client_of(app) as client:
        assert await request_json(client, Call("tts", "/v1/flaky", idempotent=True)) == "good"
        calls.clear()
        with pytest.raises(BusyError) as failure:
            await request_json(client, Call("tts", "/v1/flaky"))
    assert failure.value.retry_after_s == 0


async def test_a_refusal_is_not_tried_again() -> None:
    def refusal() -> Response:
        body = {"error": {"code": "engine_unavailable", "message": "pip install it", "service": "tts"}}
        return JSONResponse(body, 503)

    app, calls = _failing_first(1, refusal)
    async with client_of(app) as client:
        with pytest.raises(EngineUnavailableError, match="pip install it"):
            await request_json(client, Call("tts", "/v1/flaky", idempotent=True))
    assert len(calls) == 1


async def test_a_connection_never_made_is_tried_again_even_if_not_idempotent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("comps.core.client._RETRIES_AFTER_S", (0.5, 0.5, 0.5))
    port = free_port()

    async with create_client() as client:
        call = asyncio.create_task(
            request_json(client, Call("tts", f"http://127.0.0.1:{port}/v1/echo", json={"text": "late"}))
        )
        await asyncio.sleep(0)
        async with running(make_app(), port=port):
            assert (await call)["text"] == "late"


@pytest.mark.parametrize(("asked", "left"), [("30", 600.0), ("1", 0.9)])
async def test_a_wait_that_is_too_long_is_left_to_the_caller(asked: str, left: float) -> None:
    def busy() -> Response:
        body = {"error": {"code": "busy", "message": "full", "service": "tts", "retryable": True}}
        return JSONResponse(body, 429, {"Retry-After": asked})

    app, calls = _failing_first(1, busy)
    async with client_of(app) as client:
        with pytest.raises(BusyError) as failure:
            await request_json(client, Call("tts", "/v1/flaky", idempotent=True, timeout_s=left))
    assert failure.value.retry_after_s == float(asked)
    assert len(calls) == 1


async def test_the_limit_of_a_call_holds_for_all_pieces_of_its_stream_together() -> None:
    done = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        writer.close()
        done.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server, create_client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        with pytest.raises(UpstreamTimeoutError):
            async for _ in stream_bytes(client, Call("tts", "/x", timeout_s=0.3)):
                pass
        await done.wait()
