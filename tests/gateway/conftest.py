from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from comps.core.media.audio import encode_audio
from comps.core.serve import running
from comps.core.settings import ServiceSettings
from gateway.app import create_app
from gateway.settings import GatewaySettings
from megaservice.supervisor.ports import is_free
from tests.gateway.stubs import Notes, stub_services

LEASHED_UP = (sys.executable, "-m", "megaservice.supervisor.leash", "gateway.cli", "up")
"""`avatarchatbot up` that ends when these tests do, however they end; start it with a pipe as its standard input."""


@dataclass
class Stack:
    """A gateway on a socket, with stub services on sockets of their own behind it."""

    url: str
    client: httpx.AsyncClient
    notes: Notes
    outputs: Path
    app: FastAPI


async def open_stack(stack: AsyncExitStack, folder: Path, **settings: object) -> Stack:
    """Serve stubs and a gateway; `settings` are the gateway's, a service's URL among them replaces its stub."""
    notes = Notes()
    stubs = stub_services(notes)
    stubs.state.settings = ServiceSettings()
    url = await stack.enter_async_context(running(stubs))
    settings = {**dict.fromkeys(("asr_url", "llm_url", "tts_url", "animation_url"), url), **settings}
    outputs = folder / "outputs"
    app = create_app(GatewaySettings(outputs_dir=outputs, size=64, **settings))  # type: ignore[arg-type]
    url = await stack.enter_async_context(running(app))
    client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))
    await app.state.readiness.settled()
    return Stack(url, client, notes, outputs, app)


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with AsyncExitStack() as exits:
        yield await open_stack(exits, tmp_path)


@pytest.fixture
def wav() -> bytes:
    """One second of a tone as a 16 kHz WAV."""
    time = np.arange(16_000) / 16_000
    return encode_audio((np.sin(time * 2 * np.pi * 220) * 8000).astype(np.int16), 16_000, "wav")


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of everything together, as `avatarchatbot up` starts it: five processes, real engines."""
    base = free_ports(5)
    folder = tmp_path_factory.mktemp("up")
    command = [*LEASHED_UP, "--port", str(base), "--base-port", str(base + 1)]
    places = {"XDG_DATA_HOME": str(folder), "XDG_CACHE_HOME": str(folder), "AVATAR_GATEWAY_MAX_TURNS": "10"}
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(command, env={**os.environ, **places}, stdin=subprocess.PIPE, stderr=log)
        try:
            wait_ready(f"http://127.0.0.1:{base}", process, log)
            yield f"http://127.0.0.1:{base}"
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
            assert process.returncode == 0


def wait_ready(url: str, process: subprocess.Popen[bytes], log: TextIO) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/ready", timeout=2, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    log.seek(0)
    raise AssertionError(f"the services did not start:\n{log.read()}")


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if first + count < 65_536 and all(is_free("127.0.0.1", first + offset) for offset in range(count)):
            return first


@pytest.fixture
async def live(up: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `up`."""
    async with httpx.AsyncClient(base_url=up, timeout=60) as client:
        yield client
