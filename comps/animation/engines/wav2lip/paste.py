"""Putting the drawn face back into its frame: as a hard rectangle, or blended so that no edge and no step is seen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.wav2lip.picture import SIDE, Box, Picture

PasteMode = Literal["feathered", "hard"]

MOST_SHIFT = 16.0
"""Levels by which a colour is shifted at most to match the picture."""
# The lower face in shares of the box: where its mask begins to rise, the middle of its ellipse, and its half axes.
_RISE_FROM, _RISE_TO = 0.40, 0.56
_MIDDLE, _HALF_WIDTH, _HALF_HEIGHT = 0.62, 0.47, 0.36
_EDGE = 0.22
"""Width of the ellipse's soft edge, as a share of its radius; inside it."""


@dataclass(frozen=True, slots=True)
class Paster:
    """Puts a face into frames in one `mode`."""

    mode: PasteMode = "feathered"

    def paste(self, frame: Picture, box: Box, drawn: Picture, shown: Picture, strength: float = 1.0) -> None:
        """Change `frame` within `box`, in place.

        Args:
            frame: RGB uint8 `[h, w, 3]`.
            box: x1, y1, x2, y2, where `shown` was cropped.
            drawn: the network's face, RGB uint8 `[96, 96, 3]`.
            shown: what it was drawn from, RGB uint8 `[96, 96, 3]`.
            strength: 1 shows all of the drawn face, 0 leaves the frame as it is.
        """
        x1, y1, x2, y2 = (int(v) for v in box)
        place = frame[y1:y2, x1:x2]
        if self.mode == "hard":
            if strength > 0:
                place[:] = _resized(drawn, place)
            return
        mask = lower_face(x2 - x1, y2 - y1)
        if strength < 1:
            mask = mask * np.float32(strength)
        new = _resized(colour_matched(drawn, shown), place)
        place[:] = cv2.blendLinear(new, np.ascontiguousarray(place), mask, np.float32(1) - mask)


def _resized(face: Picture, place: Picture) -> Picture:
    size = (place.shape[1], place.shape[0])
    return cv2.resize(face, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def colour_matched(drawn: Picture, shown: Picture) -> Picture:
    """`drawn` with each colour shifted to that of `shown`, judged by the upper face, which both show alike."""
    upper = slice(SIDE // 12, SIDE // 2), slice(SIDE // 6, SIDE - SIDE // 6)
    means = [np.array(cv2.mean(np.ascontiguousarray(face[upper]))[:3]) for face in (shown, drawn)]
    shift = np.clip(means[0] - means[1], -MOST_SHIFT, MOST_SHIFT)
    return np.clip(np.rint(drawn + shift.astype(np.float32)), 0, 255).astype(np.uint8)


@lru_cache(maxsize=64)
def lower_face(width: int, height: int) -> NDArray[np.float32]:
    """How much of the drawn face is shown, float32 `[height, width]` in 0..1.

    One over mouth, chin and cheeks; it falls to zero below the eyes and before every side of the box.
    """
    y, x = (np.arange(height)[:, None] + 0.5) / height, (np.arange(width)[None] + 0.5) / width
    radius = np.hypot((x - 0.5) / _HALF_WIDTH, (y - _MIDDLE) / _HALF_HEIGHT)
    inside = _smooth((1 - radius) / _EDGE)
    mask = (inside * _smooth((y - _RISE_FROM) / (_RISE_TO - _RISE_FROM))).astype(np.float32)
    mask.flags.writeable = False
    return mask


def _smooth(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below 0, 1 above 1, and an S between them."""
    t = np.clip(x, 0, 1)
    return t * t * (3 - 2 * t)
