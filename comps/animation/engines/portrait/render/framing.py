"""Framing: which part of the picture becomes the video, and at what size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.rig import Rig

LEAST_FACE = 0.105
"""Eye distance as a share of the frame's longer side below which the picture is cropped to head and shoulders."""
CROPPED_FACE = 0.15
"""The same share after a crop."""
EYE_LEVEL = 0.40
"""Height of the eyes in a cropped frame, as a share of its height."""
WIDEST_CROP = 1.0
NARROWEST_CROP = 0.75
"""Bounds of width over height of a cropped frame."""
MOST_UPSCALING = 2.5
"""Output pixels per picture pixel are limited to this: beyond it there is only blur."""


@dataclass(frozen=True, slots=True)
class Framing:
    """The window of the picture that is shown. All in picture pixels, but `width` and `height`: even, of the video."""

    left: float
    top: float
    scale: float
    width: int
    height: int

    def to_video(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Picture points `[..., 2]` in video pixels."""
        # Half a pixel on both sides: pixel centres map onto pixel centres.
        shifted = (points - np.array([self.left, self.top], np.float32) + 0.5) * self.scale - 0.5
        return shifted.astype(np.float32)

    def cut(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The shown part of `picture` (uint8 `[h, w, 3]`) at the video's size."""
        scale = self.scale
        if scale < 0.7:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.35 / scale).astype(np.uint8)
        shift_x, shift_y = ((0.5 - v) * scale - 0.5 for v in (self.left, self.top))
        matrix = np.array([[scale, 0.0, shift_x], [0.0, scale, shift_y]])
        flags = cv2.INTER_LANCZOS4 if scale > 1 else cv2.INTER_CUBIC
        shown = cv2.warpAffine(picture, matrix, (self.width, self.height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return shown.astype(np.uint8)


def choose(rig: Rig, size: int) -> Framing:
    """Show the whole picture when its face is large enough, else head and shoulders; the longer side gets `size` pixels."""
    width, height = rig.size
    if face_unit(rig) >= LEAST_FACE * max(width, height):
        return _window(0.0, 0.0, float(width), float(height), size)
    longer = face_unit(rig) / CROPPED_FACE
    tall = min(longer, float(height))
    wide = min(float(width), max(min(longer * width / height, tall * WIDEST_CROP), tall * NARROWEST_CROP))
    middle = (rig.group("right_eye").mean(0) + rig.group("left_eye").mean(0)) / 2
    left = float(np.clip(middle[0] - wide / 2, 0, width - wide))
    top = float(np.clip(middle[1] - EYE_LEVEL * tall, 0, height - tall))
    return _window(left, top, wide, tall, size)


def _window(left: float, top: float, wide: float, tall: float, size: int) -> Framing:
    scale = min(size / max(wide, tall), MOST_UPSCALING)
    width, height = (max(2, round(side * scale / 2) * 2) for side in (wide, tall))
    return Framing(left, top, scale, width, height)


def face_unit(rig: Rig) -> float:
    """The eye distance the face would have seen from the front, in picture pixels.

    A turned head brings the eyes together but not the mouth nearer to them, which on average are one eye distance apart.
    """
    eyes = (rig.group("right_eye").mean(0) + rig.group("left_eye").mean(0)) / 2
    mouth = rig.group("lips_inner").mean(0)
    return max(rig.eye_distance, 0.92 * float(np.linalg.norm(mouth - eyes)))
