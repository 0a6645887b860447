"""One clip in the event loop: fed, advanced turn by turn, and emptied."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

from comps.animation.audio2face.clip_audio import BYTES_PER_SAMPLE
from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.keyframes import MOST_KEYS
from comps.animation.audio2face.server.bench import Encoded, Turn, Work
from comps.core.errors import AvatarError, TooLargeError

_TURN_S = 1.0
"""Longest audio of one turn: a long clip in one buffer must not hold up the live streams beside it."""
_CRUMB = 1024
"""Pieces shorter than this, bytes, are not kept one by one; at 16 kHz they are of one frame."""


@dataclass(frozen=True, slots=True)
class Made:
    """A turn's result: `frames` frames from number `first`.

    Times in s: when the clip's first audio came, when the audio came that made the turn possible, when its frames were there.
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
    """A clip's work that is fed in the event loop and done elsewhere, a turn when there is audio enough for more frames.

    Args:
        work: the clip's pipeline, wherever that is.
        room: frames that may wait to be sent before the next are computed.
        made: told of every turn that made frames.
    """

    def __init__(self, work: Work, *, room: int, made: Callable[[Made], None] = lambda _: None) -> None:
        self._work = work
        self._turn_bytes = round(_TURN_S * work.opened.sample_rate) * BYTES_PER_SAMPLE
        self._needed = work.opened.needed
        self._room, self._told = room, made
        self._waiting: deque[_Piece] = deque()
        self._waiting_bytes = self._waiting_keyframes = 0
        self._outgoing: deque[bytes] = deque()
        self._notices: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._busy = self._ended = self._finished = self._left = False
        self._began = float("inf")
        self._error: AvatarError | None = None

    def feed(self, pcm: bytes, keyframes: Sequence[Key] = ()) -> None:
        """Takes audio of any length, and the keyframes that came with it; TooLargeError when too many of these wait."""
        self._waiting_keyframes += len(keyframes)
        if self._waiting_keyframes > MOST_KEYS:
            raise TooLargeError(f"more than {MOST_KEYS} emotion keyframes are waiting", param="emotions")
        if not pcm and not keyframes:
            return
        now = time.monotonic()
        self._began = min(self._began, now)
        for start in range(0, len(pcm), self._turn_bytes) or (0,):
            self._wait(_Piece(pcm[start : start + self._turn_bytes], () if start else keyframes, now))
        self._advance()

    def _wait(self, piece: _Piece) -> None:
        """Appends a piece; crumbs are put together, as a clip may come sample by sample."""
        self._waiting_bytes += len(piece.pcm)
        before = len(self._waiting[-1].pcm) if self._waiting else _CRUMB
        if not piece.keyframes and before < _CRUMB and before + len(piece.pcm) <= self._turn_bytes:
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
        """Nobody wants the rest: no further turn is taken."""
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
        """Begins the next turn, if none runs and it is worth its while."""
        idle = self._busy or self._finished or self._left or self._error is not None
        if idle or len(self._outgoing) >= self._room or not (self._ended or self._enough()):
            return
        arrived = self._completed()
        pieces = tuple(self._pieces())
        last = self._ended and not self._waiting
        self._busy = True
        try:
            self._work.take(Turn(pieces, last), lambda made: self._delivered(made, arrived, last=last))
        except AvatarError as error:
            self.fail(error)

    def _enough(self) -> bool:
        """Whether what waits makes frames; keyframes do not wait, as one may have to be refused."""
        return bool(self._waiting) and (self._waiting_bytes >= self._needed or self._waiting_keyframes > 0)

    def _completed(self) -> float:
        """When the audio came that makes the next frames."""
        came = 0
        for piece in self._waiting:
            came += len(piece.pcm)
            if came >= self._needed:
                return piece.arrived
        return time.monotonic()

    def _pieces(self) -> Iterator[tuple[bytes, Sequence[Key]]]:
        """A turn's worth of what waits, joined up to the next keyframes."""
        taken, joined = 0, list[_Piece]()
        while self._waiting and taken + len(self._waiting[0].pcm) <= self._turn_bytes:
            piece = self._waiting.popleft()
            taken += len(piece.pcm)
            self._waiting_keyframes -= len(piece.keyframes)
            if piece.keyframes and joined:
                yield _content(joined)
                joined = []
            joined.append(piece)
        self._waiting_bytes -= taken
        if joined:
            yield _content(joined)

    def _delivered(self, made: Encoded | AvatarError, arrived: float, *, last: bool) -> None:
        """The turn is over."""
        self._busy, self._finished = False, last
        if self._left:
            return
        if isinstance(made, AvatarError):
            self.fail(made)
            return
        self._needed = made.needed
        if made.messages:
            self._outgoing.extend(made.messages)
            self._told(Made(made.first, len(made.messages), self._began, arrived, time.monotonic()))
        self._changed.set()
        self._advance()


def _joined(pieces: Sequence[_Piece]) -> _Piece:
    """Pieces as one, which is there when the last has come."""
    if len(pieces) == 1:
        return pieces[0]
    return _Piece(b"".join(piece.pcm for piece in pieces), pieces[0].keyframes, pieces[-1].arrived)


def _content(pieces: Sequence[_Piece]) -> tuple[bytes, Sequence[Key]]:
    whole = _joined(pieces)
    return whole.pcm, whole.keyframes
