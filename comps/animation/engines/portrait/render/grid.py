"""Grid: coarse nodes over the part of a frame that moves, and how they are enlarged to pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render.anatomy import Anatomy

Plane = NDArray[np.float32]
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of nodes: `rows` and `columns` of the grid."""

    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


@dataclass(frozen=True, slots=True)
class Grid:
    """Nodes `stride` pixels apart over the area `left, top, width, height` (pixels; even, left and top multiples).

    One ring of nodes lies outside the area, so that enlarging needs no pixel beyond the last node.
    """

    left: int
    top: int
    width: int
    height: int
    stride: int

    @property
    def whole(self) -> Box:
        """All nodes."""
        return Box(slice(0, -(-self.height // self.stride) + 2), slice(0, -(-self.width // self.stride) + 2))

    def nodes(self, box: Box) -> Points:
        """Node positions `[rows * columns, 2]` in video pixels."""
        half = (self.stride - 1) / 2
        x = self.left + (np.arange(box.columns.start, box.columns.stop) - 1) * self.stride + half
        y = self.top + (np.arange(box.rows.start, box.rows.stop) - 1) * self.stride + half
        return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)

    def box(self, anatomy: Anatomy, area: tuple[float, ...]) -> Box:
        """The nodes in an area (left, top, right, bottom) of the face's axes, with a ring around it, within the grid."""
        left, top, right, bottom = area
        corners = anatomy.place(np.array([(left, top), (right, top), (left, bottom), (right, bottom)]))
        spots = (corners - (self.left, self.top)) / self.stride + 1
        limit = np.array(self.whole.shape)[::-1]
        low = np.clip(np.floor(spots.min(0)) - 1, 0, limit - 3).astype(int)
        high = np.clip(np.ceil(spots.max(0)) + 2, low + 3, limit).astype(int)
        return Box(slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0])))


def enlarge(values: Plane, stride: int) -> Plane:
    """Node values `[rows, columns, 2]` at `stride` pixels to a node, without the outermost ring of nodes."""
    rows, columns = values.shape[:2]
    large = cv2.resize(values, (columns * stride, rows * stride), interpolation=cv2.INTER_LINEAR)
    return large[stride:-stride, stride:-stride].astype(np.float32, copy=False)


def choose_grid(anatomy: Anatomy, area: tuple[float, ...], size: tuple[int, int]) -> Grid:
    """A grid over an area of the face's axes in a frame of `size` (width, height), 16 to 40 nodes to a unit."""
    stride = 2 if anatomy.unit < 60 else 4 if anatomy.unit < 170 else 8
    left, top, right, bottom = area
    corners = anatomy.place(np.array([(left, top), (right, top), (left, bottom), (right, bottom)]))
    low = np.floor(np.clip(corners.min(0), 0, np.array(size) - 4 * stride) / stride).astype(int) * stride
    low = np.maximum(low, 0)
    high = np.ceil(np.clip(corners.max(0), low + 2, size)).astype(int)
    high += (high - low) % 2
    return Grid(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]), stride)
