"""Sharpness of the face's own edges, whatever their contrast and the size of the picture, and traces of hard compression.

An edge blurred by a Gaussian of s pixels has a gradient of 1/s; blurred once more by r pixels, of 1/sqrt(s² + r²). The
ratio of both gives s (Zhuo and Sim, 2011), free of contrast and exposure.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.coach.image.view import CENTRE, HALF, FaceView
from comps.animation.engines.portrait.rig.canvas import HEIGHT, ORIGIN, UNIT, WIDTH

Plane = NDArray[np.float32]

MOST_UNIT = 64
"""Pixels per eye distance at which edges are measured: a face in a video of 512 pixels has about as many. Fewer where the
picture has fewer, so that a small sharp face is not called blurred."""
_AGAIN = 1.0
"""Pixels of the second blur."""
_STRONGEST = 97.0
"""Percentile of gradients from which one belongs to a clear edge."""
_BLOCK = 8
"""Side of the squares that JPEG compresses by themselves."""


def edge_width(view: FaceView) -> float:
    """Blur of the clearest edges of eyes, nose and mouth, as the sigma of a Gaussian in pixels at `MOST_UNIT` pixels per eye
    distance: about 0.8 when sharp. The worse of the two directions, so that a shaken camera shows."""
    unit = min(float(MOST_UNIT), view.face.eye_distance)
    face, area = _at(view, unit)
    softer = np.asarray(cv2.GaussianBlur(face, (0, 0), _AGAIN), np.float32)
    return max(_width(face, softer, area, direction) for direction in ((1, 0), (0, 1)))


def _at(view: FaceView, unit: float) -> tuple[Plane, NDArray[np.bool_]]:
    """Brightness of the face at `unit` pixels per eye distance, sampled from the picture itself, and the face in it."""
    zoom = unit / UNIT
    matrix = view.canvas.matrix * zoom
    scale = view.canvas.zoom * zoom
    grey = _around(view)
    if scale < 0.999:
        softened = cv2.GaussianBlur(grey, (0, 0), 0.5 * float(np.sqrt(max(1 / scale**2 - 1, 1e-4))))
        grey = np.asarray(softened, np.float32)
    size = (int(WIDTH * zoom), int(HEIGHT * zoom))
    face = cv2.warpAffine(grey, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    y, x = np.mgrid[0 : size[1], 0 : size[0]] / unit
    across = (x - ORIGIN[0] / UNIT - CENTRE[0]) / HALF[0]
    down = (y - ORIGIN[1] / UNIT - CENTRE[1]) / HALF[1]
    return np.asarray(face, np.float32), np.asarray(across**2 + down**2 < 1)


def _around(view: FaceView) -> Plane:
    """The picture's brightness; far from the face it is never asked for."""
    return cv2.cvtColor(view.picture, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _width(face: Plane, softer: Plane, area: NDArray[np.bool_], direction: tuple[int, int]) -> float:
    sharp, soft = (np.abs(cv2.Sobel(plane, cv2.CV_32F, *direction))[area] for plane in (face, softer))
    clear = sharp >= np.percentile(sharp, _STRONGEST)
    ratio = sharp[clear] / np.maximum(soft[clear], 1e-3)
    return float(np.median(_AGAIN / np.sqrt(np.maximum(ratio**2 - 1, 1e-2))))


def blockiness(view: FaceView) -> float:
    """How much larger steps between neighbouring pixels are at the borders of 8 x 8 squares than elsewhere, in and around
    the face: about 1 without compression, more the harder it was."""
    x, y = view.face.centre
    reach = 1.8 * view.face.eye_distance
    height, width = view.picture.shape[:2]
    # Squares are counted from the corner of the picture.
    left, top = (max(0, int(v - reach)) // _BLOCK * _BLOCK for v in (x, y))
    part = view.picture[top : min(height, int(y + 1.6 * reach)), left : min(width, int(x + reach))]
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.sqrt(_border_ratio(grey) * _border_ratio(np.ascontiguousarray(grey.T))))


def _border_ratio(grey: Plane) -> float:
    steps = np.minimum(np.abs(np.diff(grey, axis=1)), 24.0).mean(0)
    phase = np.arange(len(steps)) % _BLOCK
    if len(steps) < 2 * _BLOCK:
        return 1.0
    return float((steps[phase == _BLOCK - 1].mean() + 0.1) / (steps[phase != _BLOCK - 1].mean() + 0.1))
