"""The whole product in processes of its own, as `avatarchatbot up` starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from megaservice.supervisor.ports import is_free
from tests.gateway.conftest import LEASHED_UP, free_ports

SERVICES = ("gateway", "asr", "llm", "tts", "animation")
_START_S = 60.0
_END_S = 30.0


@dataclass(frozen=True)
class Product:
    """A running `up`. `urls` maps each of `SERVICES` to where it listens."""

    process: subprocess.Popen[bytes]
    urls: dict[str, str]
    log: Path

    def ctrl_c(self) -> int:
        """Press Ctrl-C in its terminal; returns the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(_END_S)

    def ports(self) -> list[int]:
        return [int(url.rpartition(":")[2]) for url in self.urls.values()]


@contextmanager
def product(folder: Path, **variables: str) -> Iterator[Product]:
    """Start it on free ports with its data in `folder`; it is ended on leaving, kindly if it still runs."""
    first = free_ports(len(SERVICES))
    command = [*LEASHED_UP, "--port", str(first), "--base-port", str(first + 1)]
    places = {"XDG_DATA_HOME": str(folder), "XDG_CACHE_HOME": str(folder), **variables}
    log = folder / "log"
    with log.open("wb") as output:
        # in a session of its own: what Ctrl-C in a terminal reaches is the process group, and it must not be ours
        environment = {**os.environ, **places}
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stderr=output, start_new_session=True
        )
    running = Product(process, {n: f"http://127.0.0.1:{first + i}" for i, n in enumerate(SERVICES)}, log)
    try:
        _wait_ready(running)
        yield running
    finally:
        try:
            code = running.ctrl_c() if process.poll() is None else process.returncode
        finally:
            process.kill()
            process.communicate()
        assert code in (0, -signal.SIGKILL), log.read_text()  # killed: by the test itself


def _wait_ready(running: Product) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and running.process.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{running.urls['gateway']}/ready", timeout=2, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"the services did not start:\n{running.log.read_text()}")


def all_free(ports: list[int]) -> bool:
    return all(is_free("127.0.0.1", port) for port in ports)


def alive(folder: Path) -> list[str]:
    """Command lines of the processes whose environment names `folder`, that is, of everything `product` started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder).encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text().replace("\0", " "))
    return found
