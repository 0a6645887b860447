"""ProcessGroup: the program as a process, its output line by line, and its certain end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio

from comps.core.errors import EngineUnavailableError

LEASH = Path(__file__).with_name("leash.py")
LAST_LINES = 200
"""Lines of output kept, in which a failure is looked for."""
LINE_BYTES = 4096
PRIVATE_CHARACTERS = 40
"""Characters by which a private text is known in the output, which may break it off."""
_READ_BYTES = 64 * 1024
_LINE_ENDS = re.compile(rb"[\r\n]+")
_KILL_AFTER_S = 10.0
"""Seconds the leash gets beyond its own grace before it is killed itself."""


class ProcessGroup:
    """A running program; make one with `start`. `lines` holds the end of its output."""

    def __init__(
        self, process: asyncio.subprocess.Process, on_line: Callable[[str], None], grace_s: float, private: str
    ) -> None:
        self.lines: deque[str] = deque(maxlen=LAST_LINES)
        self._process = process
        self._on_line = on_line
        self._grace_s = grace_s
        self._private = private[:PRIVATE_CHARACTERS]
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        grace_s: float,
        on_line: Callable[[str], None] = lambda _: None,
        private: str = "",
        folder: Path | None = None,
    ) -> ProcessGroup:
        """Start `command` in a session of its own, on a leash that ends it also when this process dies.

        `grace_s` is the time it gets to end by itself; `on_line` is called in the event loop for every line;
        what follows the beginning of `private`, such as a prompt, is cut off lines. `folder` holds files of this run
        and is removed when the program is ended before its time. Raises EngineUnavailableError when
        the system does not start it.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(LEASH), str(grace_s), str(folder or ""), *command),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=cwd,
                env=dict(env),
                start_new_session=True,
            )
        except OSError as error:
            raise EngineUnavailableError(f"LiveAvatar cannot be started: {error.strerror}") from error
        return cls(process, on_line, grace_s, private)

    @property
    def pid(self) -> int:
        """Number of the leash, which is that of the session too."""
        return self._process.pid

    async def wait(self) -> int:
        """The exit code, when all processes of the program and its output have ended."""
        code = await self._process.wait()
        await asyncio.wait([self._reader], timeout=1.0)
        return code

    async def stop(self) -> None:
        """End all processes of the program and return when none is left; may be called again."""
        with anyio.CancelScope(shield=True):
            if self._process.stdin is not None:
                self._process.stdin.close()
            with anyio.move_on_after(self._grace_s + _KILL_AFTER_S):
                await self._process.wait()
            if self._process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
                await self._process.wait()
            await asyncio.wait([self._reader], timeout=1.0)
            self._reader.cancel()
            await asyncio.wait([self._reader])

    async def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None  # asked for when the process was started
        rest = b""
        while piece := await stream.read(_READ_BYTES):
            # Progress bars end their lines with a carriage return only.
            *lines, rest = _LINE_ENDS.split(rest + piece)
            if len(rest) > LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._note(line)
        self._note(rest)

    def _note(self, line: bytes) -> None:
        text = line[:LINE_BYTES].decode("utf-8", "replace").strip()
        if self._private and (found := text.find(self._private)) >= 0:
            text = f"{text[:found]}…"
        if text:
            self.lines.append(text)
            self._on_line(text)


def free_port() -> int:
    """A TCP port of this machine that is free now; another program may still take it before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
