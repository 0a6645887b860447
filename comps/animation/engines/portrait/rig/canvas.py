"""Canvas: the face cut out of its picture upright and at one size, where the features are searched.

All searches run at `UNIT` pixels per eye distance, so every radius and kernel below is a fixed number.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

UNIT = 128
"""Canvas pixels per eye distance."""
WIDTH, HEIGHT = 4 * UNIT, 4 * UNIT
ORIGIN = (2.0 * UNIT, 1.5 * UNIT)
"""Where the point between the eyes lands on the canvas."""

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Canvas:
    """An upright face. `lightness`, `redness` (a*) and `yellowness` (b*) are float32 `[HEIGHT, WIDTH]`, CIE units.

    `rgb` is uint8 `[HEIGHT, WIDTH, 3]`; `inside` is True where the picture has pixels; `matrix` float64 `[2, 3]` maps picture to canvas.
    """

    rgb: NDArray[np.uint8]
    lightness: Plane
    redness: Plane
    yellowness: Plane
    inside: NDArray[np.bool_]
    matrix: NDArray[np.float64]

    def to_picture(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Canvas points `[..., 2]` in the picture's pixels."""
        inverse = cv2.invertAffineTransform(self.matrix)
        mapped: NDArray[np.float64] = points @ inverse[:, :2].T + inverse[:, 2]
        return mapped

    def to_canvas(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Picture points `[..., 2]` in canvas pixels."""
        mapped: NDArray[np.float64] = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        return mapped

    @property
    def zoom(self) -> float:
        """Canvas pixels per picture pixel."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[0, 1]))


def cut(picture: NDArray[np.uint8], right_eye: NDArray[np.float64], left_eye: NDArray[np.float64]) -> Canvas:
    """The canvas of the face whose eye centres (picture pixels) are given; `picture` is uint8 `[h, w, 3]` RGB."""
    across = left_eye - right_eye
    scale = UNIT / float(np.hypot(*across))
    cos, sin = across / np.hypot(*across) * scale
    matrix = np.array([[cos, sin, 0.0], [-sin, cos, 0.0]])
    matrix[:, 2] = np.array(ORIGIN) - matrix[:, :2] @ ((right_eye + left_eye) / 2)
    smooth = picture if scale > 0.7 else cv2.GaussianBlur(picture, (0, 0), 0.5 / scale)
    rgb = cv2.warpAffine(smooth, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(np.full(picture.shape[:2], 255, np.uint8), matrix, (WIDTH, HEIGHT))
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    light, red, yellow = (np.ascontiguousarray(lab[..., i], np.float32) for i in range(3))
    return Canvas(rgb.astype(np.uint8), light, red, yellow, mask > 127, matrix)
