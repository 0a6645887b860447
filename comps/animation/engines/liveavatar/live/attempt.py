"""Attempt: one run of the live program, from its start to whatever ends it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np

from comps.animation.engines.liveavatar.failures import Failure, recognise
from comps.animation.engines.liveavatar.launch.command import build_command, environment
from comps.animation.engines.liveavatar.launch.observed import Observed, watching
from comps.animation.engines.liveavatar.launch.plan import Plan
from comps.animation.engines.liveavatar.launch.program import Program
from comps.animation.engines.liveavatar.live.channel import FPS, PROTOCOL, RATE, ChannelError, Message
from comps.animation.engines.liveavatar.live.connection import BUFFER_BYTES, Connection
from comps.animation.engines.liveavatar.look import Look
from comps.animation.engines.liveavatar.process import ProcessGroup, free_port
from comps.animation.engines.liveavatar.settings import LiveAvatarSettings
from comps.core.media.audio import encode_audio

logger = logging.getLogger(__name__)

LONGEST_FOLDER = 70
"""Characters of the temporary folder beyond which the path of a socket in it would not fit the 108 it may have."""
LAST_WORDS_S = 2.0
"""Seconds that a program which leaves gets to print why."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told, in the event loop: `ready` when it answers, `frame` of each message with frames."""

    ready: Callable[[], None]
    frame: Callable[[Message], None]


class EndedError(Exception):
    """The program is of no use any more; the message says what was seen on the channel.

    `line` is what it said itself, and `leaving` tells that it is ending by itself.
    """

    def __init__(self, message: str, line: str = "", *, leaving: bool = False) -> None:
        super().__init__(message)
        self.line, self.leaving = line, leaving


class Attempt:
    """One run of `program` as `plan` says, showing `look`."""

    def __init__(
        self, settings: LiveAvatarSettings, program: Program, plan: Plan, look: Look, listeners: Listeners
    ) -> None:
        self._settings, self._program, self._plan, self._look = settings, program, plan, look
        self._listeners = listeners
        self._connected: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._connection: Connection | None = None
        self.pid: int | None = None
        self.state = "loading"

    async def run(self) -> Failure:
        """Start it and return why it ended; nothing of it is left then, also when this is cancelled."""
        folder = await anyio.to_thread.run_sync(_new_folder)
        settings = self._settings
        async with watching(settings.liveavatar_nvidia_smi, self._plan.gpus) as watch:
            try:
                return await self._run_in(folder)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
                    if self.state == "ready":
                        observed = Observed(settings.liveavatar_peaks_dir)
                        await anyio.to_thread.run_sync(observed.keep, self._plan, watch.peak_gib)

    async def send(self, message: Message) -> None:
        """Send to the program; raises ChannelError when there is none."""
        if self._connection is None:
            raise ChannelError("the program is not connected")
        await self._connection.send(message)

    async def _run_in(self, folder: Path) -> Failure:
        await anyio.to_thread.run_sync(self._write_inputs, folder)
        path = folder / "channel"
        server = await asyncio.start_unix_server(self._accept, path, limit=BUFFER_BYTES)
        process: ProcessGroup | None = None
        tasks: list[asyncio.Task[int]] = []
        try:
            command = build_command(self._program, self._plan, free_port())
            logger.info("LiveAvatar starts on GPU %s", ",".join(map(str, self._plan.gpus)))
            process = await ProcessGroup.start(
                command,
                self._program.checkout,
                environment(self._plan, path),
                self._settings.liveavatar_stop_s,
                _log,
                folder=folder,
            )
            self.pid = process.pid
            tasks = [asyncio.create_task(process.wait()), asyncio.create_task(self._converse(folder))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            seen = tasks[1].exception() if tasks[1].done() else None
            if isinstance(seen, EndedError) and seen.leaving:  # before it has printed why
                await asyncio.wait(tasks[:1], timeout=LAST_WORDS_S)
            code = tasks[0].result() if tasks[0].done() else None
            return _failure(list(process.lines), code, seen)
        finally:
            for task in tasks:
                task.cancel()
            server.close()
            if self._connection is not None:
                self._connection.close()
            if process is not None:
                await process.stop()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _write_inputs(self, folder: Path) -> None:
        self._look.write(folder / "picture.png")
        (folder / "silence.wav").write_bytes(encode_audio(np.zeros(RATE, np.int16), RATE, "wav"))

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connected.done():  # there is one program
            writer.close()
            return
        self._connection = Connection(reader, writer)
        self._connected.set_result(self._connection)

    async def _converse(self, folder: Path) -> int:
        """Speak with the program until it is of no use; raises EndedError."""
        deadline = time.monotonic() + self._settings.liveavatar_start_s
        try:
            connection = await asyncio.wait_for(self._connected, self._settings.liveavatar_start_s)
            await connection.send(Message("hello", {"protocol": PROTOCOL, "fps": FPS}))
            await connection.send(Message("start", self._start(folder)))
            while True:
                message = await asyncio.wait_for(connection.receive(), self._settings.liveavatar_heartbeat_s)
                if message is None:
                    raise EndedError("it closed the channel", leaving=True)
                self._heard(message, deadline)
        except asyncio.TimeoutError:
            silent = "said nothing for too long" if self._connection is not None else "did not connect in time"
            raise EndedError(f"it {silent}") from None
        except ChannelError as error:
            raise EndedError(f"it does not keep to the protocol: {error}") from error

    def _start(self, folder: Path) -> dict[str, str | int]:
        look = self._look
        return {
            "image": str(folder / "picture.png"),
            "silence": str(folder / "silence.wav"),
            "prompt": look.prompt,
            "seed": look.seed,
            "width": look.size.width,
            "height": look.size.height,
        }

    def _heard(self, message: Message, deadline: float) -> None:
        if message.type == "error":
            raise EndedError("it reported an error", message.text("message"), leaving=True)
        if message.type == "ready":
            if message.number("protocol") != PROTOCOL or message.number("fps") != FPS:
                raise ChannelError("it is ready for another protocol or frame rate")
            self.state = "ready"
            self._listeners.ready()
        elif message.type == "frame":
            self._listeners.frame(message)
        elif self.state == "ready":
            since = message.fields.get("since_s")
            if not isinstance(since, int | float) or since > self._settings.liveavatar_stall_s:
                raise EndedError("its GPUs have stopped making frames")
        elif time.monotonic() > deadline:
            raise EndedError("it was not ready in time")
        else:
            self.state = message.text("state", 20)


def _failure(lines: list[str], code: int | None, seen: BaseException | None) -> Failure:
    """What the program said, else what was seen on the channel; raises `seen` when that is a fault of this service."""
    if seen is not None and not isinstance(seen, EndedError):
        raise seen
    said = [*lines, seen.line] if seen is not None and seen.line else lines
    return replace(recognise(said, code), seen=str(seen) if seen is not None else "")


def _new_folder() -> Path:
    """A folder for one run, with room for the name of a socket in it; blocks."""
    usual = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="avatar-live-", dir=usual if len(usual) < LONGEST_FOLDER else "/tmp"))


def _log(line: str) -> None:
    logger.debug("LiveAvatar | %s", line)
