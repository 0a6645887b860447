"""The pooled transport against a server whose every byte the test writes."""

from __future__ import annotations

import asyncio
import gzip
import random
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from comps.core.client import Call, ClientOptions, create_client, request_bytes
from comps.core.errors import UpstreamError
from comps.core.transport import PIECE_BYTES

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    listener = await asyncio.start_server(run, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def client(timeout: float = 5, connections: int = 8) -> AsyncIterator[httpx.AsyncClient]:
    options = ClientOptions(read_timeout_s=timeout, pool_timeout_s=timeout, max_connections=connections)
    async with create_client(options=options) as one:
        yield one


async def head_of(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def answering(*answers: bytes) -> Serve:
    """Gives one answer per request on a connection, then closes it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            head = await head_of(reader)
            length = next(
                (int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: ")), 0
            )
            await reader.readexactly(length)
            writer.write(answer)
            await writer.drain()

    return serve


async def test_connection_is_used_again() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answering(OK, OK, OK)(reader, writer)

    async with server(serve) as url, client() as http:
        for _ in range(3):
            assert (await http.post(url, content=b"body")).text == "hi"
    assert connections == 1


async def test_closed_connection_is_replaced() -> None:
    async with server(answering(OK)) as url, client() as http:
        for _ in range(3):
            assert (await http.post(url, content=b"x")).text == "hi"
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\n me\r\n0\r\n\r\n", "hi me"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", "until the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "hi"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
    ],
)
async def test_ways_to_end_a_body(answer: bytes, text: str) -> None:
    async with server(answering(answer)) as url, client() as http:
        assert (await http.get(url)).text == text


async def test_head_has_no_body() -> None:
    async with server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")) as url, client() as http:
        assert (await http.head(url)).headers["content-length"] == "500"


@pytest.mark.parametrize(
    "answer",
    [b"<html>", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"HTTP/1.1 200", b""],
    ids=["html", "half a body", "half a head", "nothing"],
)
async def test_what_is_no_answer_is_a_protocol_error(answer: bytes) -> None:
    async with server(answering(answer)) as url, client() as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(url)


async def test_headers_pass_both_ways_and_cannot_be_forged() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        assert b"GET /a%20b?q=1 HTTP/1.1\r\n" in head
        assert b"x-mine: yes\r\n" in head
        writer.write(b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n")

    async with server(serve) as url, client() as http:
        answer = await http.get(url + "/a b?q=1", headers={"X-Mine": "yes"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
        with pytest.raises(httpx.LocalProtocolError):
            await http.get(url, headers={"X-Mine": "yes\r\nX-Forged: 1"})


async def test_streamed_request_body_is_chunked() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"transfer-encoding: chunked" in (await head_of(reader)).lower()
        assert await reader.readuntil(b"0\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        writer.write(OK)

    async with server(serve) as url, client() as http:
        assert (await http.post(url, content=pieces())).text == "hi"


async def test_silence_and_a_full_pool_time_out() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(serve) as url, client(timeout=0.1, connections=1) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(url)
        waiting = asyncio.create_task(http.get(url, timeout=httpx.Timeout(5)))
        await asyncio.sleep(0.05)
        with pytest.raises(httpx.ConnectTimeout):
            await http.get(url)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_refused_connection_and_foreign_scheme() -> None:
    async with client() as http:
        for scheme in ("http", "https"):
            with pytest.raises(httpx.ConnectError):
                await http.get(f"{scheme}://127.0.0.1:9")
        for url in ("ftp://127.0.0.1:9", "127.0.0.1:9"):
            with pytest.raises(httpx.UnsupportedProtocol):
                await http.get(url)


async def test_post_after_the_server_has_hung_up_goes_to_a_new_connection() -> None:
    hung_up = threading.Semaphore(0)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(3):
                connection, _ = listener.accept()
                with connection:
                    while not connection.recv(4096).endswith(b"body"):
                        pass
                    connection.sendall(OK)
                hung_up.release()

        server_thread = threading.Thread(target=serve)
        server_thread.start()
        async with client() as http:
            for _ in range(3):
                answer = await http.post(f"http://127.0.0.1:{listener.getsockname()[1]}", content=b"body")
                assert answer.text == "hi"
                hung_up.acquire()  # blocks the loop, so that it has not seen the end of the connection
        server_thread.join()


async def test_post_lost_on_the_way_is_not_sent_twice() -> None:
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (OK, b""):
            received.append((await head_of(reader)).split()[1])
            await reader.readexactly(1)
            writer.write(answer)

    async with server(serve) as url, client() as http:
        await request_bytes(http, Call("tts", url + "/first", content=b"1"))
        with pytest.raises(UpstreamError, match="connection to tts failed") as lost:
            await request_bytes(http, Call("tts", url + "/lost", content=b"2"))
    assert lost.value.status == 502
    assert received == [b"/first", b"/lost"]


async def test_cookies_are_not_kept_nor_redirects_followed() -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            heads.append(await head_of(reader))
            writer.write(b"HTTP/1.1 302 Go\r\nLocation: /b\r\nSet-Cookie: who=me\r\nContent-Length: 0\r\n\r\n")

    async with server(serve) as url, client() as http:
        for _ in range(2):
            assert (await http.get(url + "/a")).status_code == 302
    assert [head.split()[1] for head in heads] == [b"/a", b"/a"]
    assert b"cookie" not in b"".join(heads).lower()


async def test_packed_body_is_unpacked_once() -> None:
    packed = gzip.compress(b"hello")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with server(answering(head + packed)) as url, client() as http:
        assert (await http.get(url)).text == "hello"


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES * 2 + 1, 9_000_000])
async def test_body_of_any_size_arrives_whole(size: int) -> None:
    body = random.Random(size).randbytes(size)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await head_of(reader)).lower()
        assert b"transfer-encoding" not in head
        assert b"content-type: audio/wav" in head
        assert await reader.readexactly(size) == body
        writer.write(OK)

    async with server(serve) as url, client() as http:
        assert (await http.post(url, content=body, headers={"Content-Type": "audio/wav"})).text == "hi"


async def test_proxies_of_the_environment_serve_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    proxied = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy")
    async with server(proxied) as proxy, server(answering(OK)) as url:
        monkeypatch.setenv("http_proxy", proxy)
        async with client() as http:
            assert (await http.get("http://models.test/x")).text == "proxy"
            assert (await http.get(url)).text == "hi"


def test_clients_that_are_never_closed_leave_no_words() -> None:
    program = """
import asyncio, sys
from comps.core.client import create_client
kept = []
async def main():
    async def serve(reader, writer):
        await reader.readuntil(b"\\r\\n\\r\\n")
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = create_client()
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    print((await client.get(url)).text)
    kept.append(client)
    listener.close()
asyncio.run(main())
asyncio.run(main())
kept.pop(0)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("hi\nhi\n", "")


async def test_leaving_a_body_closes_the_connection_and_frees_the_place() -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await reader.read()
        gone.set()

    async with server(serve) as url, client(connections=1) as http:
        for _ in range(2):
            gone.clear()
            async with http.stream("GET", url) as answer:
                assert await anext(answer.aiter_bytes()) == b"hi"
            await asyncio.wait_for(gone.wait(), 5)


async def test_slow_reader_holds_the_server_back() -> None:
    written = 0
    total = 64 * 1024 * 1024
    piece = b"x" * (256 * 1024)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while written < total:
            writer.write(piece)
            await writer.drain()
            written += len(piece)

    async with server(serve) as url, client() as http, http.stream("GET", url) as answer:
        read = 0
        pieces = answer.aiter_bytes()
        read += len(await anext(pieces))
        await asyncio.sleep(0.3)
        assert written < total // 2
        async for more in pieces:
            read += len(more)
    assert read == total


async def test_many_at_once_keep_their_own_answers() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := (await reader.readline()).split():
            await head_of(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(line[1]), line[1]))

    async with server(serve) as url, client() as http:
        answers = await asyncio.gather(*(http.get(f"{url}/{n}") for n in range(40)))
    assert [answer.text for answer in answers] == [f"/{n}" for n in range(40)]
