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


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What frames are sampled from: `luma` uint8 `[2h, 2w]` with pixel (x, y) of the picture at (2x, 2y), and `chroma` as in `Planes`.

    Between pixels a plain picture blurs, and a head that drifts slowly would pulse between sharp and soft; at twice the
    resolution, linear interpolation keeps almost all detail and costs nothing more.
    """

    luma: Bytes
    chroma: Bytes

    def copy(self) -> Source:
        """One that can be painted on."""
        return Source(self.luma.copy(), self.chroma.copy())


def double(plane: Bytes) -> Bytes:
    """A plane `[h, w]` at twice its resolution, `[2h, 2w]`; its own pixels are the even ones, unchanged."""
    height, width = plane.shape
    half = np.array([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]])
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    large = cv2.warpAffine(plane, half, (2 * width, 2 * height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(large, np.uint8)


def to_source(planes: Planes) -> Source:
    """The source of frames of a picture."""
    return Source(double(planes.luma), planes.chroma)


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
