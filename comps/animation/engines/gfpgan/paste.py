"""A restored face back in its picture."""

from __future__ import annotations

import cv2
import numpy as np

from comps.animation.engines.gfpgan.align import Matrix
from comps.animation.engines.gfpgan.masks import PlacedMask, moved
from comps.animation.faces.face import Picture

_SLACK = np.float32(1e-3)
"""Sums are cut to whole levels, as in the original: float32's errors must not make 199.99999 of 200."""


def enlarge(picture: Picture, upscale: int) -> Picture:
    """`upscale` times as wide and high, by Lanczos; a copy when that is 1."""
    if upscale == 1:
        return picture.copy()
    height, width = picture.shape[:2]
    size = (width * upscale, height * upscale)
    return cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4).astype(np.uint8)


def paste(picture: Picture, face: Picture, mask: PlacedMask, back: Matrix, strength: float = 1.0) -> None:
    """Lay an aligned face over the picture, in place.

    Args:
        picture: RGB uint8 `[h, w, 3]`.
        face: RGB uint8 `[512, 512, 3]`.
        mask: where, of this picture.
        back: from the face to the picture.
        strength: 0 leaves the picture as it is, 1 shows the face alone where the mask is 1.
    """
    height, width = mask.values.shape
    if not height or not width or strength == 0:
        return
    window = picture[mask.top : mask.top + height, mask.left : mask.left + width]
    warped = cv2.warpAffine(face, moved(back, mask.left, mask.top), (width, height))
    share = mask.values[..., None] * np.float32(strength)
    window[:] = (share * warped + (1 - share) * window + _SLACK).astype(np.uint8)
