"""A process of its own that computes clips, as one interpreter computes one thing at a time, seen from the event loop."""

from __future__ import annotations

import asyncio
import itertools
import logging
import multiprocessing
import socket
from collections import deque
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

from comps.animation.audio2face.configuration.layers import StreamRequest
from comps.animation.audio2face.server.bench import Bench, Encoded, Told, Turn, Work
from comps.animation.audio2face.server.computing import LoadFace, compute, packed, unpacked
from comps.animation.audio2face.server.failures import INTERNAL_MESSAGE
from comps.core.errors import AvatarError, EngineUnavailableError, NotReadyError

_GRACE_S = 5.0
"""Time that a process gets to end by itself."""

Answered = Callable[[Any], None]

log = logging.getLogger(__name__)


class ProcessBench(Bench):
    """Computes in a process that `load` gives its face. One that died is replaced for the next clip; `start` it first."""

    def __init__(self, load: LoadFace) -> None:
        self._load = load
        self._starting = asyncio.Lock()
        self._numbers = itertools.count()
        self._left: list[int] = []
        self._process: BaseProcess | None = None
        self._line: _Line | None = None

    async def start(self) -> None:
        """Returns when the process has loaded; EngineUnavailableError when it does not come up."""
        ours, theirs = socket.socketpair()
        process = multiprocessing.get_context("spawn").Process(
            target=compute, args=(theirs, self._load), daemon=True, name="audio2face"
        )
        try:
            await asyncio.to_thread(process.start)
        finally:
            theirs.close()
        self._process = process
        loop = asyncio.get_running_loop()
        _, self._line = await loop.create_connection(_Line, sock=ours)
        first: asyncio.Future[Any] = loop.create_future()
        self._line.expect(_into(first))
        if isinstance(await first, AvatarError):
            raise EngineUnavailableError("a process of the inference could not start; the log says why")

    async def open(self, sample_rate: int, request: StreamRequest) -> Work:
        """See `Bench`."""
        async with self._starting:
            if self._line is None or self._line.ended:
                log.error("a process of the inference has ended; another takes its place")
                await self.start()
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.ask(("open", number, sample_rate, request), _into(answer))
        try:
            opened = await answer
        except asyncio.CancelledError:
            self.forget(number)
            raise
        if isinstance(opened, AvatarError):
            raise opened
        return _RemoteWork(self, number, opened)

    def ask(self, question: tuple[Any, ...], answered: Answered) -> None:
        """Sends a question; the answer, or an AvatarError, is given to `answered`."""
        left, self._left = self._left, []
        assert self._line is not None
        self._line.ask((*question, left), answered)

    def forget(self, number: int) -> None:
        """A clip is over; told with the next question."""
        self._left.append(number)

    async def close(self) -> None:
        """See `Bench`."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            await asyncio.to_thread(_ended, self._process)


def _into(future: asyncio.Future[Any]) -> Answered:
    """Takes an answer for who waits; who has left by then, as a client does, needs none."""

    def answered(told: Any) -> None:
        if not future.done():
            future.set_result(told)

    return answered


class _RemoteWork(Work):
    def __init__(self, bench: ProcessBench, number: int, opened: Any) -> None:
        self._bench, self._number, self.opened = bench, number, opened

    def take(self, turn: Turn, told: Told) -> None:
        def answered(answer: Any) -> None:
            told(answer if isinstance(answer, AvatarError) else Encoded(*answer))

        self._bench.ask(("take", self._number, turn.pieces, turn.last), answered)

    def leave(self) -> None:
        self._bench.forget(self._number)


class _Line(asyncio.Protocol):
    """The connection to a process, which answers in the order of the questions."""

    def __init__(self) -> None:
        self.ended = self._closed = False
        self._transport: Any = None
        self._came = bytearray()
        self._waiting: deque[Answered] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def ask(self, question: tuple[Any, ...], answered: Answered) -> None:
        self.expect(answered)
        if not self.ended:
            self._transport.write(packed(question))

    def expect(self, answered: Answered) -> None:
        """Gives the next answer that nobody waits for yet to `answered`."""
        if self.ended:
            answered(self._failure())
        else:
            self._waiting.append(answered)

    def data_received(self, data: bytes) -> None:
        self._came += data
        for answer in unpacked(self._came):
            self._waiting.popleft()(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        if self._waiting and not self._closed:
            log.error("a process of the inference ended before it answered")
        while self._waiting:
            self._waiting.popleft()(self._failure())

    def close(self) -> None:
        self._closed = True
        self._transport.close()

    def _failure(self) -> AvatarError:
        return NotReadyError("the service is shutting down") if self._closed else AvatarError(INTERNAL_MESSAGE)


def _ended(process: BaseProcess) -> None:
    process.join(_GRACE_S)
    process.kill()
    process.join()
