"""How far the eyes are shut, frame by frame: blinks at random distances."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

BUMP = np.array([0.5, 0.9, 1.0, 0.9, 0.5], np.float32)
"""One blink at 25 frames/s; 1 is shut."""
_LEAST_GAP, _MOST_GAP = 10, 70
_SHORTEST = 20
"""A clip of no more frames has no blink."""

Ratios = NDArray[np.float32]


def blink_ratios(frames: int, source: random.Random) -> Ratios:
    """Ratios `[frames]` in 0..1 of a clip of known length; a short clip has shorter gaps between its blinks.

    With 21 frames there is no gap to draw from (the original fails on it): no blink either.
    """
    ratios = np.zeros(frames, np.float32)
    gaps = range(min(_LEAST_GAP, frames), min(frames // 2, _MOST_GAP))
    if frames <= _SHORTEST or not gaps:
        return ratios
    frame = 0
    while (start := frame + source.choice(gaps)) + len(BUMP) <= frames - 1:
        ratios[start : start + len(BUMP)] = BUMP
        frame = start + len(BUMP)
    return ratios


class BlinkStream:
    """The same for a clip whose length is not known yet; however it is cut, the blinks are the same."""

    def __init__(self, seed: int) -> None:
        self._source = random.Random(seed)
        self._ahead: Ratios = np.zeros(0, np.float32)

    def take(self, frames: int) -> Ratios:
        """The ratios of the next `frames`, float32 `[frames]` in 0..1."""
        while len(self._ahead) < frames:
            gap = np.zeros(self._source.choice(range(_LEAST_GAP, _MOST_GAP)), np.float32)
            self._ahead = np.concatenate([self._ahead, gap, BUMP])
        taken, self._ahead = self._ahead[:frames], self._ahead[frames:]
        return taken
