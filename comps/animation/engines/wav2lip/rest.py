"""Rest: in silence a still picture shows its own shut mouth again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FADE_S = 0.2
"""Seconds in which the drawn mouth comes and goes: as long as a window sees sound before it is heard."""


class Rest:
    """How much of the drawn mouth is seen in each frame of an answer at `fps`, which begins at rest."""

    def __init__(self, fps: int) -> None:
        self._step = 1 / max(1.0, FADE_S * fps)
        self._strength = 0.0

    def strengths(self, resting: NDArray[np.bool_]) -> list[float]:
        """0..1 for the next frames, `resting` where nothing is heard in their windows."""
        found = []
        for rests in resting:
            change = -self._step if rests else self._step
            self._strength = float(np.clip(self._strength + change, 0.0, 1.0))
            found.append(self._strength)
        return found
