"""Folds: the shadow from the wings of the nose to the corners of the mouth, which deepens as the cheeks rise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render.anatomy import Anatomy
from comps.animation.engines.portrait.render.colours import sample_skin
from comps.animation.engines.portrait.render.planes import Bytes, Planes, double
from comps.animation.motion.face_motion import ARKIT_INDEX

Points = NDArray[np.float64]

DEPTH = 0.085
"""Share of the skin's brightness that a full fold takes away."""
WIDTH = 0.05
"""Softness of its edges, in units."""
_PATH = ((-0.33, -0.30), (-0.42, -0.14), (-0.49, 0.02), (-0.50, 0.14))
"""Its course on the viewer's left in a face whose mouth is 0.36 units wide on either side."""
_CAUSES = {
    "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5, "mouthStretchLeft": 0.25, "mouthStretchRight": 0.25,
    "noseSneerLeft": 0.4, "noseSneerRight": 0.4, "mouthUpperUpLeft": 0.2, "mouthUpperUpRight": 0.2,
    "cheekSquintLeft": 0.15, "cheekSquintRight": 0.15,
}  # fmt: skip
_COLUMNS = np.array([ARKIT_INDEX[name] for name in _CAUSES])
_SHARES = np.array(list(_CAUSES.values()), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """What full folds take from the brightness of a `Source`, uint8 `[2h, 2w]`, at `left`, `top` of the picture."""

    left: int
    top: int
    shadow: Bytes

    def deepen(self, base: Bytes, target: Bytes, weights: NDArray[np.float32]) -> None:
        """Shade `target`, a source's brightness, from `base` by the ARKit `weights` `[52]` of a frame."""
        strength = float(np.clip(weights[_COLUMNS] @ _SHARES, 0, 1))
        height, width = self.shadow.shape
        top, left = 2 * self.top, 2 * self.left
        box = (slice(top, top + height), slice(left, left + width))
        target[box] = cv2.addWeighted(base[box], 1.0, self.shadow, -strength, 0.0)


def shade_folds(anatomy: Anatomy, planes: Planes) -> Folds:
    """The folds of a face."""
    shadow = np.zeros(planes.luma.shape, np.uint8)
    for side in (-1, 1):
        wide = anatomy.half_widths[0 if side < 0 else 1] / 0.36
        path = anatomy.place(np.array([(-side * x * wide, y) for x, y in _PATH]))
        fixed = np.round(path * 16).astype(np.int32)
        cv2.polylines(shadow, [fixed], False, (255,), max(1, round(0.03 * anatomy.unit)), cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(shadow, (0, 0), WIDTH * anatomy.unit).astype(np.float64)
    depth = DEPTH * (float(sample_skin(anatomy, planes)[0]) - 16)
    soft *= depth / max(float(soft.max()), 1.0)
    rows, columns = np.nonzero(soft >= 0.5)
    if not len(rows):
        return Folds(0, 0, np.zeros((2, 2), np.uint8))
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    return Folds(int(left), int(top), double(np.round(soft[top:bottom, left:right]).astype(np.uint8)))
