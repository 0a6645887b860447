"""Planes: a picture as video sees it, full brightness and half-size colour (4:2:0, BT.601 limited range)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

LUMA = np.array([65.481, 128.553, 24.966]) / 255
BLUE = np.array([-37.797, -74.203, 112.0]) / 255
RED = np.array([112.0, -93.786, -18.214]) / 255


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """`luma` uint8 `[h, w]`; `chroma` uint8 `[h / 2, w / 2, 2]`, blue difference then red."""

    luma: Bytes
    chroma: Bytes

    def write(self, out: Bytes) -> None:
        """Put both into a planar yuv420p frame, uint8 `[h * 3 / 2, w]`."""
        height, width = self.luma.shape
        out[:height] = self.luma
        for index, plane in enumerate(chroma_planes(out, height, width)):
            plane[:] = self.chroma[..., index]


def chroma_planes(frame: Bytes, height: int, width: int) -> tuple[Bytes, Bytes]:
    """Views of the two colour planes of a yuv420p frame uint8 `[h * 3 / 2, w]`, each `[h / 2, w / 2]`."""
    colour = frame[height:].reshape(2, height // 2, width // 2)
    return colour[0], colour[1]


def to_planes(rgb: Bytes) -> Planes:
    """Planes of an image uint8 `[h, w, 3]` with even sides."""
    height, width = rgb.shape[:2]
    frame = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2YUV_I420).astype(np.uint8)
    chroma = np.stack(chroma_planes(frame, height, width), -1)
    return Planes(frame[:height].copy(), chroma)


def to_yuv(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colours `[..., 3]` of 0..255 as video brightness and colour differences `[..., 3]`."""
    result: NDArray[np.float64] = np.stack([16 + rgb @ LUMA, 128 + rgb @ BLUE, 128 + rgb @ RED], -1)
    return result
