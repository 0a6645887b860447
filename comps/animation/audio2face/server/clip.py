"""One clip between the event loop and the workers: fed, advanced turn by turn, and emptied."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

from comps.animation.audio2face.clip_audio import BYTES_PER_SAMPLE
from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.keyframes import MOST_KEYS
from comps.animation.audio2face.server.bench import Encoded, Work
from comps.animation.audio2face.server.failures import INTERNAL_MESSAGE
from comps.animation.audio2face.server.workers import Workers
from comps.core.errors import AvatarError, TooLargeError

_TURN_S = 1.0
"""Longest audio of one turn: a long clip in one buffer must not hold up the live streams beside it."""
_CRUMB = 4096
"""Pieces shorter than this, bytes, are not kept one by one."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """A turn's result: `frames` frames from number `first`.

    Times in s: when the clip's first audio came, when the oldest audio of this turn came, when the frames were there.
    """

    first: int
    frames: int
    began: float
    arrived: float
    made: float


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send; `frame` says whether it is one, and so is paced."""

    message: bytes
    frame: bool


@dataclass(frozen=True, slots=True)
class _Piece:
    pcm: bytes
    keyframes: Sequence[Key]
    arrived: float


class Clip:
    """A clip's work that is fed in the event loop and done elsewhere.

    Args:
        work: the clip's pipeline, wherever that is.
        workers: the threads that wait for it.
        room: frames that may wait to be sent before the next are computed.
        made: told of every turn that made frames, in the loop.
    """

    def __init__(
        self,
        work: Work,
        workers: Workers,
        *,
        room: int,
        made: Callable[[Made], None] = lambda _: None,
    ) -> None:
        self._work, self._workers = work, workers
        self._piece_bytes = round(_TURN_S * work.opened.sample_rate) * BYTES_PER_SAMPLE
        self._room, self._told = room, made
        self._waiting: deque[_Piece] = deque()
        self._taking = threading.Lock()
        self._outgoing: deque[bytes] = deque()
        self._notices: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._busy = self._ended = self._last_turn = self._finished = self._left = False
        self._keyframes_waiting = 0
        self._began = float("inf")
        self._error: AvatarError | None = None
        self._turn: list[tuple[Encoded, float]] = []

    def feed(self, pcm: bytes, keyframes: Sequence[Key] = ()) -> None:
        """Takes audio of any length, and the keyframes that came with it; TooLargeError when too many of these wait."""
        with self._taking:
            self._keyframes_waiting += len(keyframes)
        if self._keyframes_waiting > MOST_KEYS:
            raise TooLargeError(f"more than {MOST_KEYS} emotion keyframes are waiting", param="emotions")
        if not pcm and not keyframes:
            return
        now = time.monotonic()
        self._began = min(self._began, now)
        for start in range(0, len(pcm), self._piece_bytes) or (0,):
            self._wait(_Piece(pcm[start : start + self._piece_bytes], () if start else keyframes, now))
        self._advance()

    def _wait(self, piece: _Piece) -> None:
        """Appends a piece; crumbs are put together, as a clip may come sample by sample."""
        with self._taking:
            if self._waiting and not piece.keyframes and len(self._waiting[-1].pcm) < _CRUMB:
                piece = _joined([self._waiting.pop(), piece])
            self._waiting.append(piece)

    def end(self) -> None:
        """No more audio comes."""
        self._ended = True
        self._advance()

    def notice(self, message: bytes) -> None:
        """Sends a message before the frames that wait."""
        self._notices.append(message)
        self._changed.set()

    def fail(self, error: AvatarError) -> None:
        """Ends the clip for a fault outside it: `outgoing` raises this at its next message."""
        self._error = error
        self._changed.set()

    def leave(self) -> None:
        """Nobody wants the rest: no further turn is taken, and the one that runs is cut short."""
        self._left = True
        self._work.leave()

    async def outgoing(self) -> AsyncIterator[Outgoing]:
        """What is to be sent, as it becomes ready, until the clip has ended. Raises what went wrong with it."""
        while True:
            if self._error:
                raise self._error
            if self._notices:
                yield Outgoing(self._notices.popleft(), frame=False)
            elif self._outgoing:
                yield Outgoing(self._outgoing.popleft(), frame=True)
                self._advance()
            elif self._finished:
                return
            else:
                self._changed.clear()
                await self._changed.wait()

    def _advance(self) -> None:
        idle = self._busy or self._finished or self._left or self._error is not None
        if not idle and len(self._outgoing) < self._room and (self._waiting or self._ended):
            self._busy = True
            try:
                self._workers.submit(self)
            except AvatarError as error:
                self.fail(error)

    def work(self) -> None:
        """One turn; see `Workers`."""
        try:
            self._take_turn()
        except AvatarError as error:
            self._error = error
        except Exception:  # thread boundary: the stream ends with INTERNAL, the log has the trace
            log.exception("a clip could not be animated")
            self._error = AvatarError(INTERNAL_MESSAGE)

    def _take_turn(self) -> None:
        for piece in self._pieces():
            self._keep(self._work.push(piece.pcm, piece.keyframes), piece.arrived)
        if self._ended and not self._waiting:
            self._keep(self._work.finish(), time.monotonic())
            self._last_turn = True

    def _pieces(self) -> Iterator[_Piece]:
        """A turn's worth of what waits, joined up to the next keyframes."""
        taken, joined = 0, list[_Piece]()
        while not self._left and (piece := self._next(self._piece_bytes - taken)):
            taken += len(piece.pcm)
            if piece.keyframes and joined:
                yield _joined(joined)
                joined = []
            joined.append(piece)
        if joined:
            yield _joined(joined)

    def _next(self, room: int) -> _Piece | None:
        with self._taking:
            if not self._waiting or len(self._waiting[0].pcm) > room:
                return None
            piece = self._waiting.popleft()
            self._keyframes_waiting -= len(piece.keyframes)
            return piece

    def _keep(self, made: Encoded, arrived: float) -> None:
        if made.messages:
            self._turn.append((made, arrived))

    def delivered(self) -> None:
        """The turn is over; see `Workers`."""
        self._busy, self._finished = False, self._last_turn
        turn, self._turn = self._turn, []
        if self._left:
            return
        for made, arrived in turn:
            self._outgoing.extend(made.messages)
            self._told(Made(made.first, len(made.messages), self._began, arrived, time.monotonic()))
        self._changed.set()
        self._advance()


def _joined(pieces: Sequence[_Piece]) -> _Piece:
    if len(pieces) == 1:
        return pieces[0]
    return _Piece(b"".join(piece.pcm for piece in pieces), pieces[0].keyframes, pieces[0].arrived)
