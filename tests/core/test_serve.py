from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from comps.core.serve import running, started

from .conftest import make_app

PROGRAM = """
import asyncio, sys
from comps.core.app import ServiceInfo, create_service_app
from comps.core.serve import serve
from comps.core.settings import ServiceSettings

settings = ServiceSettings(port=int(sys.argv[1]), shutdown_grace_s=5)
app = create_service_app(ServiceInfo("echo", "Echo", "Echoes", "1"), settings)

@app.get("/v1/slow")
async def slow() -> str:
    print("busy", flush=True)
    await asyncio.sleep(0.5)
    return "done"

serve(app, settings)
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_running_gives_the_real_address_and_frees_it() -> None:
    async with running(make_app()) as url, httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/readyz")).status_code == 200
        port = int(url.rpartition(":")[2])
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))


async def test_several_apps_run_in_one_loop() -> None:
    async with running(make_app()) as first, running(make_app()) as second, httpx.AsyncClient() as client:
        assert first != second
        answers = await asyncio.gather(client.get(f"{first}/livez"), client.get(f"{second}/livez"))
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_running_over_ipv6() -> None:
    if not socket.has_ipv6:
        return
    async with running(make_app(), host="::1") as url, httpx.AsyncClient() as client:
        assert url.startswith("http://[::1]:")
        assert (await client.get(f"{url}/livez")).status_code == 200


async def test_a_taken_address_is_an_error() -> None:
    async with running(make_app()) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with running(make_app(), port=port):
                pass


async def test_an_error_inside_still_stops_the_server() -> None:
    urls = []
    with contextlib.suppress(LookupError):
        async with running(make_app()) as url:
            urls.append(url)
            raise LookupError
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(urls[0])


async def test_answers_leave_without_delay() -> None:
    """Nagle's algorithm would hold each of these back for 40 ms."""
    async with running(make_app()) as url, httpx.AsyncClient(base_url=url) as client:
        await client.post("/v1/echo", json={"text": "a"})
        clock = asyncio.get_running_loop().time
        start = clock()
        for _ in range(50):
            await client.post("/v1/echo", json={"text": "a"})
        assert clock() - start < 50 * 0.04


async def test_an_app_that_cannot_start_is_an_error() -> None:
    @asynccontextmanager
    async def broken(app: FastAPI) -> AsyncIterator[None]:
        raise LookupError("no such thing")
        yield

    app = make_app()
    app.router.lifespan_context = broken
    with pytest.raises(RuntimeError, match="could not start"):
        async with running(app):
            pass


async def test_started_needs_no_socket_and_waits_for_loading() -> None:
    async with started(make_app()) as app:
        assert app.state.readiness.state == "ready"


def test_a_signal_lets_open_requests_finish(tmp_path: Path) -> None:
    program = tmp_path / "service.py"
    program.write_text(PROGRAM, encoding="utf-8")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(program), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "AVATAR_LOG_FORMAT": "json"},
    )
    try:
        answer = asyncio.run(_ask_then_signal(process, port))
        assert (answer.status_code, answer.json()) == (200, "done")
        _, log = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode in (0, -signal.SIGTERM)
    lines = [json.loads(line) for line in log.splitlines()]
    assert any(line["logger"] == "avatar.access" and line["route"] == "/v1/slow" for line in lines)


async def _ask_then_signal(process: subprocess.Popen[str], port: int) -> httpx.Response:
    transport = httpx.AsyncHTTPTransport(retries=8)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=20) as client:
        await client.get("/readyz")
        answer = asyncio.create_task(client.get("/v1/slow"))
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        process.send_signal(signal.SIGTERM)
        return await answer


def test_ctrl_c_ends_a_service_without_a_traceback() -> None:
    environment = {**os.environ, "AVATAR_TTS_PORT": str(free_port())}
    with subprocess.Popen(
        [sys.executable, "-m", "comps.tts"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any("startup complete" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(30) == 0
    assert "Finished server process" in rest
    assert "Traceback" not in rest
    assert "KeyboardInterrupt" not in rest
