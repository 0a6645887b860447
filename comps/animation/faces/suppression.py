"""Of boxes that overlap, the most certain one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32], overlap: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: the indices that are kept, best first.

    Args:
        boxes: `[n, 4]`, x1 y1 x2 y2.
        scores: `[n]`.
        overlap: intersection over union above which the less certain box goes.
    """
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    waiting = np.argsort(-scores, kind="stable")
    kept = []
    while len(waiting):
        best, rest = waiting[0], waiting[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest])
        height = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        waiting = rest[shared <= overlap * (areas[best] + areas[rest] - shared)]
    return np.array(kept, np.intp)
