"""One supervised process: started, watched, its output passed on, ended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import anyio
import httpx

from megaservice.supervisor.plan import ServiceSpec

LogSink = Callable[[str, str], None]
"""Takes a service's name and one line of its output."""

LINE_BYTES = 64 * 1024
_LAST_LINES = 20
_POLL_S = 0.04


_FEW_THREADS = {"OPENBLAS_NUM_THREADS": "1"}
"""Products of small matrices get slower, not quicker, from threads that compete with the other services."""


class Child:
    """A running process of `spec`; `last_lines` holds the end of its output, `ready` whether it said so.

    `refusal` is what a service that cannot load here (unknown engine, missing extra) says about it.
    """

    def __init__(self, spec: ServiceSpec, process: asyncio.subprocess.Process, log: LogSink) -> None:
        self.spec = spec
        self.process = process
        self.ready = False
        self.refusal = ""
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._log = log
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, spec: ServiceSpec, log: LogSink) -> Child:
        """Start the process in a session of its own, so that Ctrl-C reaches it only through us."""
        process = await asyncio.create_subprocess_exec(
            *spec.command,
            stdin=asyncio.subprocess.PIPE,  # the leash: closed by the system when we die
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**_FEW_THREADS, **os.environ, **spec.variables},
            start_new_session=True,
        )
        return cls(spec, process, log)

    async def wait_ready(self, client: httpx.AsyncClient) -> None:
        """Return when `/readyz` says yes or that it never will, or the process has ended."""
        while self.process.returncode is None:
            with suppress(httpx.HTTPError):
                answer = await client.get(f"{self.spec.url}/readyz", timeout=1.0)
                if answer.status_code == httpx.codes.OK:
                    self.ready = True
                    return
                self.refusal = _refusal(answer)
                if self.refusal:
                    return
            await asyncio.sleep(_POLL_S)

    async def wait(self) -> int:
        """Wait for the end of the process and of its output; returns its exit code, negative for a signal."""
        code = await self.process.wait()
        with anyio.move_on_after(1.0):
            await asyncio.wait([self._reader])
        self._reader.cancel()
        return code

    async def end(self, grace_s: float) -> None:
        """Ask the process to stop, and kill it if it has not within `grace_s` seconds."""
        self._signal(signal.SIGTERM)
        with anyio.move_on_after(grace_s):
            await self.process.wait()
        self._signal(signal.SIGKILL)
        await self.wait()

    def _signal(self, number: int) -> None:
        """To the whole session, which holds what the process has started itself."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    async def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None  # asked for when the process was started
        rest = b""
        while piece := await stream.read(LINE_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._note(line)
        if rest:
            self._note(rest)

    def _note(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()
        self.last_lines.append(text)
        self._log(self.spec.name, text)


def _refusal(answer: httpx.Response) -> str:
    """Why a service will never be ready, from its `/readyz`; empty while it may be."""
    with suppress(ValueError):
        body = answer.json()
        if isinstance(body, dict) and body.get("status") == "failed":
            return str(body.get("error", {}).get("message") or "it failed to load")
    return ""
