"""Symmetry of a face: where the axis lies about which its two halves are most alike, and how it leans."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.canvas import HEIGHT, ORIGIN, UNIT, WIDTH, Canvas

Plane = NDArray[np.float32]

_SMALLER = 4
"""Canvas pixels per pixel in which leans are tried."""
_LEANS = np.arange(-10.0, 10.1, 1.0)
_SHIFTS = 6
"""Pixels to either side, in the small canvas, where the axis of a leaning face is looked for."""


def best_axis(plane: Plane, middle: int, reach: int, half: int, step: int = 1) -> tuple[int, float]:
    """The column about which `plane` `[h, w]` is most like its mirror image within `half` columns, at most `reach` from
    `middle`; and the likeness of its gradients on both sides, up to 1."""
    across, down = cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1)
    best = (middle, -1.0)
    for axis in range(middle - reach, middle + reach + 1, step):
        left = np.stack([-across[:, axis - half : axis], down[:, axis - half : axis]])[:, :, ::-1]
        right = np.stack([across[:, axis + 1 : axis + half + 1], down[:, axis + 1 : axis + half + 1]])
        power = float((left * left).sum()) * float((right * right).sum())
        best = max(best, (axis, float((left * right).sum()) / (power**0.5 + 1e-6)), key=lambda found: found[1])
    return best


def lean(canvas: Canvas) -> tuple[float, float]:
    """By how many degrees to the viewer's right the face on `canvas` still leans, and how alike its halves are then."""
    small = cv2.resize(canvas.lightness, (WIDTH // _SMALLER, HEIGHT // _SMALLER), interpolation=cv2.INTER_AREA)
    x, y = (v / _SMALLER for v in ORIGIN)
    unit = UNIT / _SMALLER
    top, bottom = int(y - 0.45 * unit), int(y + 1.3 * unit)
    found = []
    for degrees in _LEANS:
        turn = cv2.getRotationMatrix2D((x, y), float(degrees), 1.0)
        upright = cv2.warpAffine(small, turn, small.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        found.append(best_axis(upright[top:bottom].astype(np.float32), int(x), _SHIFTS, int(0.8 * unit))[1])
    best = int(np.argmax(found))
    if 0 < best < len(found) - 1:
        before, middle, after = found[best - 1 : best + 2]
        nudge = 0.5 * (before - after) / min(before - 2 * middle + after, -1e-6)
        return float(_LEANS[best] + nudge * (_LEANS[1] - _LEANS[0])), middle
    return 0.0, 0.0
