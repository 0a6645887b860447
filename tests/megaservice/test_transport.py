"""Apps in this process reached like services elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from comps.core.context import deadline_var, request_id_var
from comps.core.errors import NotFoundError, UpstreamError
from comps.core.serve import running
from megaservice.transport.asgi import PIECES_AHEAD, AsgiTransport
from megaservice.transport.channel import Channel, ChannelClosedError, open_in_process, open_socket
from megaservice.transport.endpoint import carried_headers, open_endpoints
from megaservice.transport.lifespan import running_lifespan
from tests.megaservice.stubs import no_leaks, service


class Seen:
    """What the app under test noticed."""

    def __init__(self) -> None:
        self.sent = 0
        self.stopped = asyncio.Event()
        self.headers: dict[str, str] = {}


def make_app(seen: Seen) -> FastAPI:
    app = service("echo")

    @app.post("/stream", response_model=None)
    async def stream(request: Request) -> StreamingResponse:
        await request.body()

        async def pieces() -> AsyncIterator[bytes]:
            try:
                for seen.sent in range(1, 1001):
                    await asyncio.sleep(0)
                    yield b"piece"
            finally:
                seen.stopped.set()

        return StreamingResponse(pieces())

    @app.post("/upper", response_model=None)
    async def upper(request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            async for piece in request.stream():
                if piece:
                    yield piece.upper()

        return StreamingResponse(
            pieces(), status_code=201, headers={"X-Path": request.url.path + "?" + request.url.query}
        )

    @app.post("/whole", response_model=None)
    async def whole(request: Request) -> Response:
        return Response((await request.body()).upper(), 201)

    @app.post("/break", response_model=None)
    async def breaks() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError

        return StreamingResponse(pieces())

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        seen.headers = dict(socket.headers)
        await socket.accept()
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                if message.get("text") == "bye":
                    await socket.close()
                    return
                if message.get("text") is not None:
                    await socket.send_text(message["text"].upper())
                else:
                    await socket.send_bytes(message["bytes"][::-1])
        except WebSocketDisconnect:
            pass
        finally:
            seen.stopped.set()

    @app.websocket("/refuse")
    async def refuse(socket: WebSocket) -> None:
        raise NotFoundError("no avatar 'x'", param="avatar")

    return app


@pytest.fixture
async def seen() -> Seen:
    return Seen()


@asynccontextmanager
async def in_process(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        no_leaks(),
        running_lifespan(app),
        httpx.AsyncClient(transport=AsgiTransport(app), base_url="http://x") as client,
    ):
        yield client


async def test_bodies_stream_both_ways(seen: Seen) -> None:
    turn = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        await turn.wait()
        yield b"two"

    async with in_process(make_app(seen)) as client, client.stream("POST", "/upper?q=1", content=body()) as answer:
        assert (answer.status_code, answer.headers["x-path"]) == (201, "/upper?q=1")
        pieces = answer.aiter_bytes()
        assert await anext(pieces) == b"ONE"
        turn.set()
        assert await anext(pieces) == b"TWO"


async def test_slow_reader_holds_the_app_back(seen: Seen) -> None:
    async with in_process(make_app(seen)) as client, client.stream("POST", "/stream") as answer:
        pieces = answer.aiter_bytes()
        assert await anext(pieces) == b"piece"
        await asyncio.sleep(0.05)
        assert seen.sent <= PIECES_AHEAD + 4
        assert len([piece async for piece in pieces]) == 999


async def test_leaving_reaches_the_app_as_a_disconnect(seen: Seen) -> None:
    async with in_process(make_app(seen)) as client, client.stream("POST", "/stream") as answer:
        await anext(answer.aiter_bytes())
    assert seen.sent < 1000


async def test_app_that_ignores_the_disconnect_is_told_when_it_sends() -> None:
    told = asyncio.Event()

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        except OSError:
            told.set()
            raise

    async with no_leaks(), httpx.AsyncClient(transport=AsgiTransport(stubborn)) as client:
        async with client.stream("GET", "http://x/") as answer:
            await anext(answer.aiter_bytes())
        await asyncio.wait_for(told.wait(), 5)


async def test_app_that_breaks_is_a_broken_connection(seen: Seen) -> None:
    async with in_process(make_app(seen)) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="broke off"):
            await client.post("/break")

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        return

    async with httpx.AsyncClient(transport=AsgiTransport(silent)) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="no response"):
            await client.get("http://x/")


@asynccontextmanager
async def channel(where: str, app: FastAPI, path: str) -> AsyncIterator[Channel]:
    if where == "sockets":
        async with running(app) as url, open_socket("ws" + url[4:] + path, "echo", carried_headers()) as one:
            yield one
    else:
        async with running_lifespan(app), open_in_process(app, path, "echo", carried_headers()) as one:
            yield one


@pytest.mark.parametrize("where", ["sockets", "in process"])
async def test_channel_carries_text_bytes_and_the_end(where: str, seen: Seen) -> None:
    async with no_leaks():
        async with channel(where, make_app(seen), "/echo") as one:
            await one.send("hello")
            assert await one.receive() == "HELLO"
            await one.send(b"abc" * 100_000)
            assert await one.receive() == b"cba" * 100_000
            await one.send("bye")
            with pytest.raises(ChannelClosedError):
                await one.receive()
            with pytest.raises(ChannelClosedError):
                await send_until_closed(one)
        await asyncio.wait_for(seen.stopped.wait(), 5)


async def send_until_closed(one: Channel) -> None:
    for _ in range(100):
        await one.send("more")
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("where", ["sockets", "in process"])
async def test_refused_session_keeps_the_services_words(where: str, seen: Seen) -> None:
    with pytest.raises(NotFoundError, match="no avatar 'x'") as caught:
        async with channel(where, make_app(seen), "/refuse"):
            pass
    assert (caught.value.service, caught.value.param) == ("echo", "avatar")


@pytest.mark.parametrize("where", ["sockets", "in process"])
async def test_leaving_a_channel_ends_the_session(where: str, seen: Seen) -> None:
    async with no_leaks():
        async with channel(where, make_app(seen), "/echo") as one:
            await one.send("hello")
        await asyncio.wait_for(seen.stopped.wait(), 5)


async def test_id_and_deadline_go_along(seen: Seen) -> None:
    assert "x-deadline-ms" not in {name.lower() for name in carried_headers()}
    request_id_var.set("turn-7")
    deadline_var.set(asyncio.get_running_loop().time() + 5)
    async with channel("in process", make_app(seen), "/echo"):
        pass
    assert seen.headers["x-request-id"] == "turn-7"
    assert 4000 < int(seen.headers["x-deadline-ms"]) <= 5000


async def test_server_that_is_no_websocket_server() -> None:
    async with running(service("plain")) as url:
        with pytest.raises((NotFoundError, UpstreamError)):
            async with open_socket("ws" + url[4:] + "/nothing", "plain", {}):
                pass
    with pytest.raises(UpstreamError, match="plain cannot be reached"):
        async with open_socket("ws://127.0.0.1:9/", "plain", {}):
            pass


async def test_endpoints_by_url_and_by_app_are_called_alike(seen: Seen) -> None:
    async with (
        no_leaks(),
        running(make_app(seen)) as url,
        open_endpoints({"far": url + "/", "near": make_app(seen)}) as found,
    ):
        for endpoint in found.values():
            answer = await endpoint.client.post(endpoint.url("/whole"), content=b"x")
            assert (answer.status_code, answer.content) == (201, b"X")
            async with endpoint.websocket("/echo") as one:
                await one.send("hi")
                assert await one.receive() == "HI"


async def test_apps_start_and_stop_with_their_lifespan() -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        events.append("start")
        yield
        events.append("stop")

    async with running_lifespan(FastAPI(lifespan=lifespan)):
        assert events == ["start"]
    assert events == ["start", "stop"]

    @asynccontextmanager
    async def broken(_: FastAPI) -> AsyncIterator[None]:
        raise ValueError("no model")
        yield

    with pytest.raises(RuntimeError, match="no model"):
        async with running_lifespan(FastAPI(lifespan=broken)):
            pass

    async def without(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("no lifespan here")

    async with running_lifespan(without):
        pass
