"""A face upright and at one size: as GFPGAN was trained to see it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.gfpgan.network import SIDE
from comps.animation.faces.face import Picture, Points

TEMPLATE = np.array(
    [
        [192.98138, 239.94708],
        [318.90277, 240.1936],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ]
)
"""Where eyes, nose tip and mouth corners lie in an aligned face, in pixels."""
BORDER = (132, 133, 135)
"""RGB of what lies outside the picture."""

Matrix = NDArray[np.float64]
"""Affine map `[2, 3]` of points (x, y)."""


def fit(points: Points) -> Matrix | None:
    """The turn, scale and shift that take five points `[5, 2]` of a picture to `TEMPLATE`; None when they coincide.

    The fit is by the least median of squares, so that one point out of place does no harm.
    """
    matrix, _ = cv2.estimateAffinePartial2D(np.asarray(points, np.float64), TEMPLATE, method=cv2.LMEDS)
    if matrix is None or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:, :2])) < 1e-6:
        return None
    return np.asarray(matrix, np.float64)


def cut(picture: Picture, matrix: Matrix) -> Picture:
    """The aligned face, RGB uint8 `[512, 512, 3]`, of a picture RGB uint8 `[h, w, 3]`."""
    face = cv2.warpAffine(picture, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_CONSTANT, borderValue=BORDER)
    return face.astype(np.uint8)


def inverse(matrix: Matrix, upscale: int) -> Matrix:
    """From the aligned face to the picture enlarged `upscale` times, whose pixels' centres lie apart."""
    back = np.asarray(cv2.invertAffineTransform(matrix), np.float64) * upscale
    if upscale > 1:
        back[:, 2] += 0.5 * upscale
    return back
