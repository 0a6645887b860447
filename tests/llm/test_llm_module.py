"""The service as a program of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import httpx


def test_importing_the_service_is_light() -> None:
    probe = "import comps.llm.service, sys; assert not {'torch','sklearn','transformers','docarray'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", probe], check=True, timeout=60)


def test_the_module_serves() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "comps.llm"],
        env=os.environ | {"AVATAR_LLM_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert wait_until_ready(f"http://127.0.0.1:{port}/readyz", process)
    finally:
        process.terminate()
        assert process.wait(timeout=30) in (0, -15)


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url).status_code == 200:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    return False
