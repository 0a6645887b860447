"""BlockStream: speech of any rate cut into the blocks that the live program hears."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from comps.animation.engines.liveavatar.live.channel import BLOCK_FRAMES, BLOCK_SAMPLES, CHUNK_SAMPLES, FPS, RATE
from comps.core.speech import Pcm


@dataclass(frozen=True, slots=True)
class SpeechBlock:
    """Block `sequence`: sound of 12 frames and 20 ms more, PCM16 of 8000 samples at 16 kHz.

    `until` is the number of frames of the whole video, known with the `last` block only.
    """

    sequence: int
    pcm: bytes
    last: bool = False
    until: int | None = None


class BlockStream:
    """Takes mono speech at `rate` Hz for a video of `fps` frames a second; memory does not grow with the speech."""

    def __init__(self, rate: int, fps: int) -> None:
        self._rate, self._fps = rate, fps
        self._resampler = soxr.ResampleStream(rate, RATE, 1, dtype="int16") if rate != RATE else None
        self._rest: Pcm = np.zeros(0, np.int16)
        self._samples = self._made = 0

    def feed(self, pcm: NDArray[np.int16]) -> list[SpeechBlock]:
        """The blocks that became complete with `pcm`, int16 `[n]`."""
        self._samples += len(pcm)
        return self._cut(self._resampled(pcm))

    def finish(self) -> list[SpeechBlock]:
        """What is left, filled up with silence; the last one says how many frames there are. Empty without speech."""
        if not self._samples:
            return []
        blocks = self._cut(self._resampled(np.zeros(0, np.int16), last=True))
        until = -(-self._samples * self._fps // self._rate)
        shown = model_frame(until - 1, self._fps) + 1
        wanted = max(-(-shown // BLOCK_FRAMES), self._made + 1)
        self._rest = np.concatenate([self._rest, np.zeros((wanted - self._made + 1) * BLOCK_SAMPLES, np.int16)])
        while self._made < wanted:
            blocks.append(self._next(until if self._made == wanted - 1 else None))
        return blocks

    def _resampled(self, pcm: NDArray[np.int16], *, last: bool = False) -> NDArray[np.int16]:
        if self._resampler is None:
            return pcm
        return np.asarray(self._resampler.resample_chunk(np.ascontiguousarray(pcm), last), np.int16)

    def _cut(self, pcm: NDArray[np.int16]) -> list[SpeechBlock]:
        self._rest = np.concatenate([self._rest, pcm])
        blocks = []
        while len(self._rest) >= CHUNK_SAMPLES:
            blocks.append(self._next(None))
        return blocks

    def _next(self, until: int | None) -> SpeechBlock:
        sound, self._rest = self._rest[:CHUNK_SAMPLES], self._rest[BLOCK_SAMPLES:]
        self._made += 1
        return SpeechBlock(self._made - 1, sound.astype("<i2").tobytes(), until is not None, until)


def model_frame(frame: int, fps: int) -> int:
    """The frame of the program, which makes 25 a second, that frame number `frame` of a video of `fps` shows."""
    return frame * FPS // fps


def shown_by(first: int, count: int, fps: int, until: int | None) -> range:
    """Numbers of the video's frames, below `until`, that show the program's frames `first` to `first + count`."""
    start, end = -(-first * fps // FPS), -(-(first + count) * fps // FPS)
    return range(start, end if until is None else min(end, until))
