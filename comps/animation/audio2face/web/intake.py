"""The audio of a live clip between the client, who sends it as it likes, and the pipeline, which takes it in order."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import anyio

from comps.animation.audio2face.clip_audio import BYTES_PER_SAMPLE
from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.keyframes import MOST_KEYS
from comps.core.errors import TooLargeError

PIECE_S = 1.0
"""Longest audio that is taken at once, seconds."""


@dataclass(slots=True)
class Piece:
    """Audio, and the keyframes that arrived before it."""

    pcm: bytearray = field(default_factory=bytearray)
    keyframes: list[Key] = field(default_factory=list)


class Intake:
    """Holds what was not taken yet: never more than a clip may be long.

    Args:
        sample_rate: Hz.
        buffer_s, clip_s: longest single message and whole clip, seconds.
    """

    def __init__(self, sample_rate: int, buffer_s: float, clip_s: float) -> None:
        self._bytes_per_s = sample_rate * BYTES_PER_SAMPLE
        self._buffer_s, self._clip_s = buffer_s, clip_s
        self._received = self._keyframes = 0
        self._waiting: deque[Piece] = deque()
        self._changed = anyio.Event()
        self._ended = False

    def feed(self, pcm: bytes) -> None:
        """Takes a message of any size; raises TooLargeError for one that is too long, or makes the clip so."""
        self._received += len(pcm)
        if len(pcm) > self._buffer_s * self._bytes_per_s:
            raise TooLargeError(f"a message holds more than {self._buffer_s:g} s of audio, which is the limit")
        if self._received > self._clip_s * self._bytes_per_s:
            raise TooLargeError(f"the clip is longer than {self._clip_s:g} s, which is the limit")
        if pcm:
            self._last().pcm += pcm
            self._notify()

    def prefer(self, keyframes: Sequence[Key]) -> None:
        """Takes keyframes, which act on what comes after them; raises TooLargeError for too many that wait."""
        self._keyframes += len(keyframes)
        if self._keyframes > MOST_KEYS:
            raise TooLargeError(f"more than {MOST_KEYS} emotion keyframes are waiting", param="emotions")
        last = self._last()
        if last.pcm:
            self._waiting.append(last := Piece())
        last.keyframes += keyframes
        self._notify()

    def end(self) -> None:
        """No more comes."""
        self._ended = True
        self._notify()

    async def pieces(self) -> AsyncIterator[tuple[bytes, list[Key]]]:
        """What came, in order and in pieces of at most `PIECE_S`, until the end."""
        most = round(PIECE_S * self._bytes_per_s)
        while True:
            while self._waiting:
                piece = self._waiting[0]
                pcm, keyframes = bytes(piece.pcm[:most]), piece.keyframes
                del piece.pcm[:most]
                piece.keyframes = []
                self._keyframes -= len(keyframes)
                if not piece.pcm:
                    self._waiting.popleft()
                yield pcm, keyframes
            if self._ended:
                return
            self._changed = anyio.Event()
            await self._changed.wait()

    def _last(self) -> Piece:
        if not self._waiting:
            self._waiting.append(Piece())
        return self._waiting[-1]

    def _notify(self) -> None:
        self._changed.set()
