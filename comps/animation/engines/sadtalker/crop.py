"""Where a face is cut out of its picture: the upright square of the FFHQ data set.

Source: Karras et al., A Style-Based Generator Architecture for Generative Adversarial Networks, 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_OUTPUT = 512
"""Pixels of the square the rule was made for: a face more than twice as large is halved and so on, first."""
_EYES, _MOUTH = 2.0, 1.8
"""Half the side of the square in distances between the eyes, and from the eyes to the mouth; the larger counts."""
_DOWN = 0.1
_BORDER, _LEAST_BORDER = 0.1, 3

Landmarks = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FaceCrop:
    """How a picture is cut, in this order.

    `size` (width, height): what the picture is first resized to. `loose` (left, top, right, bottom): a rectangle in that.
    `quad`: float64 `[4]`, the same sides of the tight square, relative to `loose`.
    """

    size: tuple[int, int]
    loose: tuple[int, int, int, int]
    quad: NDArray[np.float64]

    def box(self, tight: bool) -> tuple[int, int, int, int]:
        """Left, top, right, bottom in the resized picture: of the square, or, not `tight`, of the loose rectangle."""
        left, top = self.loose[:2]
        x1, y1, x2, y2 = (int(side) for side in self.quad)
        return (
            (left + x1, top + y1, min(left + x2, self.loose[2]), min(top + y2, self.loose[3])) if tight else self.loose
        )


def face_crop(landmarks: Landmarks, size: tuple[int, int]) -> FaceCrop:
    """The crop of the face with these 68 `landmarks` in a picture of `size` (width, height)."""
    corners, side = _square(np.asarray(landmarks, np.float64))
    shrink = int(np.floor(side / _OUTPUT * 0.5))
    if shrink > 1:
        size = (round(size[0] / shrink), round(size[1] / shrink))
        corners, side = corners / shrink, side / shrink
    border = max(round(side * _BORDER), _LEAST_BORDER)
    low = np.maximum(np.floor(corners.min(0)) - border, 0).astype(int)
    high = np.minimum(np.ceil(corners.max(0)) + border, size).astype(int)
    loose = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    x, y = (corners - low + 0.5).T
    # The bottom is held inside the picture's width, not its height: so the original does, and so it was trained.
    width = int(high[0] - low[0])
    sides = [max(min(x[0], x[1]), 0), max(min(y[0], y[3]), 0), min(max(x[2], x[3]), width), min(max(y[1], y[2]), width)]
    return FaceCrop(size, loose, np.array(sides))


def _square(landmarks: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Corners `[4, 2]` (top left, bottom left, bottom right, top right) and side, in pixels."""
    right_eye, left_eye = landmarks[36:42].mean(0), landmarks[42:48].mean(0)
    eyes = (right_eye + left_eye) / 2
    across, down = left_eye - right_eye, (landmarks[48] + landmarks[54]) / 2 - eyes
    x = across + down[::-1] * (1, -1)
    x *= max(np.hypot(*across) * _EYES, np.hypot(*down) * _MOUTH) / np.hypot(*x)
    y = x[::-1] * (-1, 1)
    centre = eyes + down * _DOWN
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y]), float(np.hypot(*x) * 2)
