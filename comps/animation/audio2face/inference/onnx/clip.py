"""What a stream has received: audio to cut windows from, and the emotions of its frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.inference.model import SAMPLE_RATE, Array, Audio
from comps.core.errors import TooLargeError, UnprocessableError

_LONGEST_WAIT_S = 600
"""Audio that may wait for its emotions."""


class ClipAudio:
    """Samples of a clip from `first` on, with silence before and behind it."""

    def __init__(self) -> None:
        self.received = 0
        self._first = 0
        self._parts: list[Audio] = []
        self._samples: Audio = np.zeros(0, np.float32)

    def push(self, audio: Audio) -> None:
        """Takes more; UnprocessableError for another shape or NaN, TooLargeError when nobody cuts any windows."""
        if audio.ndim != 1:
            raise UnprocessableError(f"audio {audio.shape} is not [n]", param="audio")
        if not np.isfinite(audio).all():
            raise UnprocessableError("a sample of the audio is not finite", param="audio")
        self.received += len(audio)
        if self.received - self._first > _LONGEST_WAIT_S * SAMPLE_RATE:
            raise TooLargeError(f"more than {_LONGEST_WAIT_S} s of audio wait for their emotions")
        if len(audio):
            self._parts.append(np.asarray(audio, np.float32))

    def windows(self, starts: NDArray[np.intp], length: int) -> Audio:
        """Windows `[n, length]` from these samples on, ascending; what is not there is 0."""
        self._join()
        first, last = int(starts[0]), int(starts[-1]) + length
        low, high = max(first, self._first), min(last, self.received)
        around: Audio = np.zeros(last - first, np.float32)
        if low < high:
            around[low - first : high - first] = self._samples[low - self._first : high - self._first]
        return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(around, length)[starts - first])

    def forget(self, before: int) -> None:
        """Drops the samples before this one."""
        drop = min(before, self.received) - self._first
        if drop > 0:
            self._join()
            self._samples = self._samples[drop:].copy()
            self._first += drop

    def _join(self) -> None:
        if self._parts:
            self._samples = np.concatenate([self._samples, *self._parts])
            self._parts = []


class ClipEmotions:
    """Emotions of a clip's frames, row by row; the last one holds when no more come."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._first = 0
        self._rows: Array = np.zeros((0, size))
        self.ended = False

    @property
    def count(self) -> int:
        """Frames whose emotions are there."""
        return self._first + len(self._rows)

    def push(self, rows: Array) -> None:
        """Takes the next frames'; UnprocessableError for another shape or values that are not finite."""
        if rows.ndim != 2 or rows.shape[1] != self._size or not np.isfinite(rows).all():
            raise UnprocessableError(
                f"emotions {rows.shape} are not [n, {self._size}] finite numbers", param="emotions"
            )
        if len(rows):
            self._rows = np.concatenate([self._rows, np.asarray(rows, np.float64)])

    def at(self, places: Array) -> Array:
        """Emotions at places between frames `[n]`, drawn straight from one to the next; beyond both ends they hold."""
        if not self.count:
            return np.zeros((len(places), self._size))
        last = self.count - 1
        held = np.clip(places, self._first, last)
        low = np.floor(held).astype(np.intp)
        share = (held - low)[:, None]
        rows, after = self._rows[low - self._first], self._rows[np.minimum(low + 1, last) - self._first]
        return np.asarray(rows + (after - rows) * share)

    def forget(self, before: int) -> None:
        """Drops the rows before this frame, but never the last."""
        drop = min(before, self.count - 1) - self._first
        if drop > 0:
            self._rows = self._rows[drop:].copy()
            self._first += drop
