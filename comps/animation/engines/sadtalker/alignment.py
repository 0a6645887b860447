"""How a face is laid under the camera that the 3-D reconstruction was trained with.

Source: Deng et al., Accurate 3D Face Reconstruction with Weakly-Supervised Learning, 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from comps.animation.engines.sadtalker.reconstruction import SIDE

_FACE = 102.0
"""Scale, in pixels, of a face after alignment."""
# Eyes, nose tip and mouth corners of the mean face, from the picture's left.
_MEAN_FACE = np.array(
    [
        (-0.31148657, 0.29036078, 0.13377953),
        (0.30979887, 0.28972036, 0.13179526),
        (0.0032534988, -0.04617932, 0.55244243),
        (-0.25216929, -0.38133916, 0.22405732),
        (0.24846619, -0.38128236, 0.22235769),
    ]
)

Picture = NDArray[np.uint8]
Landmarks = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Alignment:
    """`picture` RGB uint8 `[224, 224, 3]`; `parameters` float32 `[5]`: width and height of the picture it was cut from,
    the scale, and where the face's origin was, x from the left and y from the bottom."""

    picture: Picture
    parameters: NDArray[np.float32]


def aligned(picture: Picture, landmarks: Landmarks) -> Alignment:
    """The face of `picture`, RGB uint8 `[h, w, 3]`, with 68 `landmarks` in its pixels."""
    height, width = picture.shape[:2]
    scale, (x, y) = _placed(_five(np.asarray(landmarks, np.float64), height))
    ratio = _FACE / scale
    size = (int(width * ratio), int(height * ratio))
    resized = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    left = int(size[0] / 2 - SIDE / 2 + (x - width / 2) * ratio)
    top = int(size[1] / 2 - SIDE / 2 + (height / 2 - y) * ratio)
    cut = resized.crop((left, top, left + SIDE, top + SIDE))
    return Alignment(np.asarray(cut), np.array([width, height, ratio, x, y], np.float32))


def _five(landmarks: NDArray[np.float64], height: int) -> NDArray[np.float64]:
    """Eyes, nose tip, mouth corners `[5, 2]`, y upwards. Of each eye only two points count."""
    points = [landmarks[[36, 39]].mean(0), landmarks[[42, 45]].mean(0), *landmarks[[30, 48, 54]]]
    return np.stack(points) * (1, -1) + (0, height - 1)


def _placed(points: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Scale and place (x, y) of the mean face, seen without perspective, that fits `points` `[5, 2]` best."""
    corners = np.concatenate([_MEAN_FACE, np.ones((5, 1))], 1)
    camera, *_ = np.linalg.lstsq(corners, points, rcond=None)
    return float(np.linalg.norm(camera[:3], axis=0).mean()), camera[3]
