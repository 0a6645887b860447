"""How much of a restored face each pixel of the picture takes, 0..1: three ways to hide the seam."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.gfpgan.align import Matrix
from comps.animation.engines.gfpgan.network import SIDE
from comps.animation.engines.gfpgan.parsenet import FACE_LABELS, LABELS

MaskKind = Literal["ellipse", "parse", "square"]
"""`ellipse`: fixed and feathered, costs nothing. `parse`: the face's own outline by ParseNet, dearer than the
restoration. `square`: all of the aligned face but its rim."""

Mask = NDArray[np.float32]

_CENTRE, _AXES = (256.0, 305.0), (180.0, 205.0)
"""Of the ellipse in the aligned face, in pixels: from the brows to the chin, from cheek to cheek."""
_FEATHER = 0.35
"""Of the ellipse's radius, inside of it, over which the mask rises from 0 to 1."""
_PARSE_KERNEL, _PARSE_SIGMA, _PARSE_RIM = 101, 11, 10


@dataclass(frozen=True, slots=True, eq=False)
class PlacedMask:
    """A mask float32 `[h, w]` whose upper left pixel is (`left`, `top`) of the picture; outside of it there is none."""

    left: int
    top: int
    values: Mask


def ellipse_mask() -> Mask:
    """The feathered ellipse in an aligned face, `[512, 512]`."""
    return _ellipse()


def parse_mask(labels: NDArray[np.uint8]) -> Mask:
    """The parts that are face, softly bounded, `[512, 512]`; `labels` uint8 `[512, 512]` are ParseNet's."""
    table = np.zeros(LABELS, np.float32)
    table[list(FACE_LABELS)] = 255
    mask = table[labels]
    for _ in range(2):
        mask = cv2.GaussianBlur(mask, (_PARSE_KERNEL, _PARSE_KERNEL), _PARSE_SIGMA).astype(np.float32)
    mask[:_PARSE_RIM], mask[-_PARSE_RIM:], mask[:, :_PARSE_RIM], mask[:, -_PARSE_RIM:] = 0, 0, 0, 0
    return mask / np.float32(255)


def place(mask: Mask, back: Matrix, size: tuple[int, int]) -> PlacedMask:
    """A mask of the aligned face in the picture of `size` (width, height) that `back` leads to."""
    left, top, right, bottom = _bounds(back, size)
    if right <= left or bottom <= top:
        return PlacedMask(0, 0, np.zeros((0, 0), np.float32))
    values = cv2.warpAffine(mask, moved(back, left, top), (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    return PlacedMask(left, top, values.astype(np.float32))


def square_mask(back: Matrix, size: tuple[int, int], upscale: int) -> PlacedMask:
    """The aligned face's square in the picture, without the rim where the warped face fades, softly bounded."""
    whole = place(np.ones((SIDE, SIDE), np.float32), back, size)
    if not whole.values.size:
        return whole
    inside = cv2.erode(whole.values, np.ones((2 * upscale, 2 * upscale), np.uint8))
    edge = int(np.sqrt(float(inside.sum()))) // 20
    if edge:
        inside = cv2.erode(inside, np.ones((2 * edge, 2 * edge), np.uint8))
        inside = cv2.GaussianBlur(inside, (2 * edge + 1, 2 * edge + 1), 0)
    return PlacedMask(whole.left, whole.top, inside.astype(np.float32))


def moved(back: Matrix, left: int, top: int) -> Matrix:
    """`back` into the part of the picture that begins at (`left`, `top`)."""
    matrix = back.copy()
    matrix[:, 2] -= (left, top)
    return matrix


def _bounds(back: Matrix, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what the aligned face covers, with a free pixel around it where the picture has one."""
    corners = np.array([[0, 0], [SIDE, 0], [0, SIDE], [SIDE, SIDE]], np.float64) @ back[:, :2].T + back[:, 2]
    low = np.clip(np.floor(corners.min(0)) - 2, 0, size)
    high = np.clip(np.ceil(corners.max(0)) + 3, 0, size)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


@lru_cache(maxsize=1)
def _ellipse() -> Mask:
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    radius = np.hypot((x - _CENTRE[0]) / _AXES[0], (y - _CENTRE[1]) / _AXES[1])
    rise = np.clip((1 - radius) / _FEATHER, 0, 1)
    mask = (rise * rise * (3 - 2 * rise)).astype(np.float32)
    mask.flags.writeable = False
    return mask
