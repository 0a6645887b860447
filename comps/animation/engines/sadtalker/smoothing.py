"""Savitzky-Golay smoothing of the head pose, of a whole clip or as it comes.

Window 13, order 2, the ends by the polynomial of the first and last window. A value depends on six frames after it and
no more, so the stream gives, six frames late, exactly what the whole clip gives.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

WINDOW = 13
DELAY = WINDOW // 2
"""Frames that a smoothed one waits for."""
_ORDER = 2

Rows = NDArray[np.float32]


@cache
def _fits(window: int) -> NDArray[np.float64]:
    """Rows of weights `[window, window]`: row i gives the fitted polynomial at the i-th of `window` values."""
    powers = np.vander(np.arange(window) - window // 2, _ORDER + 1).astype(np.float64)
    fits: NDArray[np.float64] = powers @ np.linalg.pinv(powers)
    return fits


def smoothed(rows: Rows) -> Rows:
    """`rows` `[n, c]` of a whole clip; one shorter than the window is smoothed with the largest odd window in it."""
    window = min(WINDOW, len(rows) - 1 + len(rows) % 2)
    if window <= _ORDER:
        return rows.copy()
    fits, half = _fits(window), window // 2
    views = np.lib.stride_tricks.sliding_window_view(rows, window, axis=0)
    parts = [fits[:half] @ rows[:window], views @ fits[half], fits[half + 1 :] @ rows[-window:]]
    return np.concatenate(parts).astype(np.float32)


class SmoothStream:
    """The same, of rows that come in pieces."""

    def __init__(self, channels: int) -> None:
        self._held: Rows = np.zeros((0, channels), np.float32)
        self._given = 0
        """Rows of `_held` that have been given smoothed."""

    def feed(self, rows: Rows) -> Rows:
        """The smoothed rows that the next ones settle."""
        self._held = np.concatenate([self._held, rows])
        if len(self._held) < WINDOW:
            return rows[:0]
        ready = smoothed(self._held)[self._given : -DELAY]
        self._forget()
        return ready

    def finish(self) -> Rows:
        """The smoothed rows up to the end."""
        return smoothed(self._held)[self._given :]

    def _forget(self) -> None:
        self._held = self._held[-WINDOW:].copy()
        self._given = len(self._held) - DELAY
