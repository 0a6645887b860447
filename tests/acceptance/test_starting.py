"""While the services of `up` start, its gateway says so instead of failing the questions of early clients."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx

from tests.acceptance.stack import SERVICES
from tests.gateway.conftest import free_ports

_START_S = 60.0


def test_up_is_ready_only_when_every_service_is(tmp_path: Path) -> None:
    first = free_ports(len(SERVICES))
    command = [sys.executable, "-m", "gateway.cli", "up", "--port", str(first), "--base-port", str(first + 1)]
    places = {"XDG_DATA_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    process = subprocess.Popen(command, env={**os.environ, **places}, stderr=subprocess.DEVNULL)
    try:
        gateway, *services = (f"http://127.0.0.1:{first + i}" for i in range(len(SERVICES)))
        refusals = _wait_ready(gateway)
        assert all(_status(f"{service}/readyz") == 200 for service in services)
        assert refusals, "the gateway was never seen before it was ready"
        assert {error["code"] for error in refusals} == {"not_ready"}
        assert "still starting" in refusals[-1]["message"]
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _wait_ready(gateway: str) -> list[dict[str, object]]:
    """The errors that early questions got until the gateway was ready."""
    refusals = []
    deadline = time.monotonic() + _START_S
    while _status(f"{gateway}/readyz") != 200:
        assert time.monotonic() < deadline, "the gateway never became ready"
        with suppress(httpx.TransportError):
            reply = httpx.post(f"{gateway}/v1/avatarchatbot", json={"text": "hello"}, trust_env=False)
            if reply.status_code != 200:
                refusals.append(reply.json()["error"])
        time.sleep(0.02)
    return refusals


def _status(url: str) -> int:
    with suppress(httpx.TransportError):
        return httpx.get(url, trust_env=False, timeout=5).status_code
    return 0
