"""Coefficients of the face model: those kept per frame, and the windows of them that MappingNet sees.

A frame has 70 numbers: expression 64, angles 3, shift 3; in the modes that keep the whole picture 73, the last three
being scale and place of the source's alignment.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.sadtalker.mapping import RADIUS, WINDOW

EXPRESSION = slice(0, 64)
POSE = slice(64, 70)

Rows = NDArray[np.float32]


def window_rows(frames: int) -> NDArray[np.int32]:
    """Frame numbers of the windows around all `frames` of a clip, the ends repeated, int32 `[frames, 27]`."""
    around = np.arange(frames, dtype=np.int32)[:, None] + np.arange(-RADIUS, RADIUS + 1, dtype=np.int32)
    return np.clip(around, 0, frames - 1)


def still_window(row: Rows) -> Rows:
    """The window of a picture: its coefficients `[c]` in every column, `[c, 27]`."""
    return np.repeat(row[:, None], WINDOW, axis=1)


class CoefficientWindows:
    """Windows of coefficients that come in pieces; the one of a frame is whole 13 frames later."""

    def __init__(self, channels: int) -> None:
        self._held: Rows = np.zeros((0, channels), np.float32)
        self._next = 0
        """Row of `_held` whose window comes next."""
        self._started = False

    def feed(self, rows: Rows) -> Rows:
        """The windows `[n, channels, 27]` that the next `rows` `[m, channels]` complete."""
        if len(rows) and not self._started:
            rows = np.concatenate([np.repeat(rows[:1], RADIUS, axis=0), rows])
            self._started, self._next = True, RADIUS
        self._held = np.concatenate([self._held, rows])
        return self._cut(len(self._held) - RADIUS)

    def finish(self) -> Rows:
        """The windows up to the end."""
        frames = len(self._held)
        self._held = np.concatenate([self._held, np.repeat(self._held[-1:], RADIUS, axis=0)])
        return self._cut(frames)

    def _cut(self, until: int) -> Rows:
        if until <= self._next:
            return np.zeros((0, self._held.shape[1], WINDOW), np.float32)
        views = np.lib.stride_tricks.sliding_window_view(self._held, WINDOW, axis=0)
        windows = views[self._next - RADIUS : until - RADIUS].copy()
        self._held, self._next = self._held[until - RADIUS :].copy(), RADIUS
        return windows
