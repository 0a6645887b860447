"""Composer: from drawn faces to the frames of a video."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.sadtalker.settings import Paste, Preprocess
from comps.animation.engines.sadtalker.source import Box, Cut, Picture

FEATHER = 0.12
"""Width of a pasted face's soft edge, as a share of its side."""
_LEAST_SIDE = 16


class Composer:
    """Puts drawn faces where they belong, for one avatar and size of video.

    `width` and `height` are even; the longer one is `size` as nearly as the shape allows.

    Args:
        cut: what was cut out of the avatar's picture.
        mode: ``full`` and ``extfull`` show the whole picture, the others the face alone.
        size: longer side of the video, in pixels.
        paste: how a face is put back: with a soft edge, or by Poisson blending (Perez et al., 2003) as the original.
    """

    def __init__(self, cut: Cut, mode: Preprocess, size: int, paste: Paste = "feather") -> None:
        left, top, right, bottom = cut.box
        self._whole = mode.endswith("full")
        height, width = cut.canvas.shape[:2] if self._whole else (bottom - top, right - left)
        scale = size / max(width, height)
        self.width, self.height = _even(width * scale), _even(height * scale)
        self._paste = paste
        if self._whole:
            x, y = self.width / width, self.height / height
            way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            canvas = cv2.resize(cut.canvas, (self.width, self.height), interpolation=way)
            self._canvas = canvas.astype(np.uint8)
            self._box: Box = (round(left * x), round(top * y), round(right * x), round(bottom * y))
            self._mask = feather(self._box, (self.width, self.height))

    def frame(self, face: Picture) -> Picture:
        """The frame, RGB uint8 `[height, width, 3]`, of a drawn face, RGB uint8 `[s, s, 3]`."""
        if not self._whole:
            return cv2.resize(face, (self.width, self.height)).astype(np.uint8)
        left, top, right, bottom = self._box
        sized = cv2.resize(face, (right - left, bottom - top)).astype(np.uint8)
        if self._paste == "poisson":
            return _cloned(sized, self._canvas, self._box)
        frame = self._canvas.copy()
        place = np.ascontiguousarray(frame[top:bottom, left:right])
        frame[top:bottom, left:right] = cv2.blendLinear(sized, place, self._mask, np.float32(1) - self._mask)
        return frame


@lru_cache(maxsize=64)
def feather(box: Box, size: tuple[int, int]) -> NDArray[np.float32]:
    """How much of a face in `box` is shown, float32 `[h, w]` in 0..1, read-only.

    It rises from zero at the sides of the box, but for those that are the picture's own: there nothing is to be met.
    """
    left, top, right, bottom = box
    across = _ramp(right - left, left > 0, right < size[0])
    down = _ramp(bottom - top, top > 0, bottom < size[1])
    mask = (down[:, None] * across[None]).astype(np.float32)
    mask.flags.writeable = False
    return mask


def _ramp(length: int, low: bool, high: bool) -> NDArray[np.float64]:
    """An S from zero to one at the `low` and at the `high` end."""
    edge = max(1.0, FEATHER * length)
    at = np.arange(length) + 0.5
    ramp = np.ones(length)
    for soft, distance in ((low, at), (high, at[::-1])):
        t = np.clip(distance / edge, 0, 1)
        ramp *= t * t * (3 - 2 * t) if soft else 1.0
    return ramp


def _cloned(face: Picture, canvas: Picture, box: Box) -> Picture:
    left, top, right, bottom = box
    mask = np.full(face.shape, 255, np.uint8)
    centre = ((left + right) // 2, (top + bottom) // 2)
    return cv2.seamlessClone(face, canvas, mask, centre, cv2.NORMAL_CLONE).astype(np.uint8)


def _even(side: float) -> int:
    return max(_LEAST_SIDE, round(side / 2) * 2)
