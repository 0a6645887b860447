"""The 68 landmarks that SadTalker was trained with, from the 98 of its landmark network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Of the 98 points (WFLW) those that make each of the 68 (iBUG 300-W); two are averaged.
_BROWS = ((33,), (34, 41), (35, 40), (36, 39), (37, 38), (42, 50), (43, 49), (44, 48), (45, 47), (46,))
_EYES = (60, 61, 63, 64, 65, 67, 68, 69, 71, 72, 73, 75)
_SOURCES: tuple[tuple[int, ...], ...] = (
    *((index,) for index in range(0, 33, 2)),
    *_BROWS,
    *((index,) for index in range(51, 60)),
    *((index,) for index in _EYES),
    *((index,) for index in range(76, 96)),
)


def sixty_eight(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The 68 iBUG points, float32 `[68, 2]`, of 98 WFLW `points` `[98, 2]`."""
    return np.stack([points[list(source)].mean(0) for source in _SOURCES]).astype(np.float32)
