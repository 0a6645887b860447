"""Field: where each pixel of a frame comes from in the picture.

Every shape of the face and every turn of the head is a displacement of the picture. They are added
on a coarse grid, turned round (a frame asks where a pixel comes *from*) and enlarged. Skin above and
below the line between the lips has a field of its own, so that the mouth can open: `upper` is the
whole face as if it hung on the upper lip, `lower` as if it hung on the lower.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render import head
from comps.animation.engines.portrait.render.anatomy import Anatomy
from comps.animation.engines.portrait.render.controls import Controls, make_controls
from comps.animation.engines.portrait.render.shapes import LOWER_LIP, UPPER_LIP, displacements
from comps.animation.engines.portrait.render.spline import ThinPlate

Plane = NDArray[np.float32]
Points = NDArray[np.float64]

INVERSIONS = 8
"""Steps of the fixed-point search for the source of a pixel; each cuts the error by the steepest slope, about 0.4."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Coarse nodes `stride` pixels apart over the box `left, top, width, height` (pixels; left and top are multiples).

    One ring of nodes lies outside the box, so that enlarging needs no pixel beyond the last node.
    """

    left: int
    top: int
    width: int
    height: int
    stride: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of nodes."""
        return -(-self.height // self.stride) + 2, -(-self.width // self.stride) + 2

    def nodes(self) -> Points:
        """Node positions `[rows, columns, 2]` in video pixels."""
        rows, columns = self.shape
        half = (self.stride - 1) / 2
        x = self.left + (np.arange(columns) - 1) * self.stride + half
        y = self.top + (np.arange(rows) - 1) * self.stride + half
        return np.stack(np.meshgrid(x, y), -1)

    def enlarge(self, values: Plane, stride: int) -> Plane:
        """Node values `[rows, columns, 2]` on pixels `stride` to a node, `[height, width, 2]` of such pixels."""
        rows, columns = values.shape[:2]
        large = cv2.resize(values, (columns * stride, rows * stride), interpolation=cv2.INTER_LINEAR)
        return large[stride:-stride, stride:-stride].astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Precomputed displacements of one face; K channels are `names`, then the six of the head, then gaze x and y.

    `upper` and `lower` float32 `[K, rows * columns * 2]` pixels per unit of channel on `grid`; `upper_curve` and
    `lower_curve` float32 `[K, CURVE * 2]` the same on the lip edges.
    """

    names: tuple[str, ...]
    grid: Grid
    nodes: Plane
    upper: Plane
    lower: Plane
    upper_curve: Plane
    lower_curve: Plane


def build_field(anatomy: Anatomy, size: tuple[int, int]) -> Field:
    """The field of a face in a frame of `size` (width, height)."""
    grid = _choose_grid(anatomy, size)
    controls = make_controls(anatomy)
    shapes = displacements(controls)
    names = tuple(shapes)
    values = np.concatenate([anatomy.vector(shapes[name]) for name in names], 1)
    nodes = grid.nodes()
    flat = nodes.reshape(-1, 2)
    window = _window(anatomy, controls, flat)
    gaze = _gaze(anatomy, flat)
    bases, curves = [], []
    for other, curve in ((LOWER_LIP, anatomy.upper), (UPPER_LIP, anatomy.lower)):
        plate = _plate(anatomy, controls, values, other)
        moved = _channels(plate(_unit(anatomy, flat)), len(names)) * window[None, :, None]
        turned = _head(anatomy, flat)
        bases.append(np.concatenate([moved, turned, gaze]).reshape(len(names) + 8, -1).astype(np.float32))
        edge = _channels(plate(_unit(anatomy, curve)), len(names))
        edge = np.concatenate([edge, _head(anatomy, curve), np.zeros((2, len(curve), 2))])
        curves.append(edge.reshape(len(names) + 8, -1).astype(np.float32))
    return Field(names, grid, nodes.astype(np.float32), bases[0], bases[1], curves[0], curves[1])


def _unit(anatomy: Anatomy, points: Points) -> Points:
    """Splines are solved in units, where their kernel is well scaled."""
    result: Points = (points - anatomy.mouth) / anatomy.unit
    return result


def _plate(anatomy: Anatomy, controls: Controls, values: Points, without: tuple[int, ...]) -> ThinPlate:
    keep = ~controls.points(*without)
    centres, moved = controls.video[keep], values[keep]
    # Inner and outer corners nearly coincide; a little stiffness keeps the system sound.
    return ThinPlate(_unit(anatomy, centres), moved, stiffness=2e-3)


def _channels(values: Points, count: int) -> Points:
    """`[n, 2 * count]` as `[count, n, 2]`."""
    return values.reshape(len(values), count, 2).transpose(1, 0, 2)


def _head(anatomy: Anatomy, points: Points) -> Points:
    shapes = anatomy.vector(head.head_shapes(anatomy, points))
    shapes[:3] *= np.pi / 180
    return shapes


def _window(anatomy: Anatomy, controls: Controls, points: Points) -> Points:
    """1 on the face, 0 beyond the still ring, so that a spline's far end moves nothing."""
    still = controls.local[controls.fixed]
    local = anatomy.local(points)
    low, high = still.min(0), still.max(0)
    inside = np.minimum(local - low, high - local).min(1)
    ramp = np.clip(inside / 0.3 + 0.5, 0, 1)
    result: Points = ramp * ramp * (3 - 2 * ramp)
    return result


def _gaze(anatomy: Anatomy, points: Points) -> Points:
    """One pixel of iris travel to the right and down, `[2, n, 2]`: full on the irises, none at the lids' ends."""
    share = np.zeros(len(points))
    for x, y, radius in anatomy.irises:
        distance = np.hypot(points[:, 0] - x, points[:, 1] - y) / max(float(radius), 1.0)
        share = np.maximum(share, np.exp(-np.clip(distance - 0.75, 0, None) ** 2 / 0.32))
    shift = np.zeros((2, len(points), 2))
    shift[0, :, 0] = shift[1, :, 1] = share
    return shift


def _choose_grid(anatomy: Anatomy, size: tuple[int, int]) -> Grid:
    stride = 2 if anatomy.unit < 60 else 4 if anatomy.unit < 170 else 8
    left, top, right, bottom = head.reach(anatomy)
    corners = anatomy.place(np.array([(left, top), (right, top), (left, bottom), (right, bottom)]))
    low = np.floor(np.clip(corners.min(0), 0, np.array(size) - stride) / stride).astype(int) * stride
    high = np.ceil(np.clip(corners.max(0), 0, size)).astype(int)
    high += (high - low) % 2
    return Grid(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]), stride)


def invert(displacement: Plane, grid: Grid, nodes: Plane) -> Plane:
    """Source position `[rows, columns, 2]` in video pixels of every node, given how far the picture's points move."""
    scale = np.float32(1 / grid.stride)
    origin = nodes[0, 0]
    source = nodes - displacement
    for _ in range(INVERSIONS - 1):
        where = (source - origin) * scale
        found = cv2.remap(displacement, where, np.empty(0), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        source = nodes - found
    return source.astype(np.float32)
