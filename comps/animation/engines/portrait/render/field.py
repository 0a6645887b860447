"""Field: how far each point of the picture moves, precomputed for every shape and every turn.

Displacements are added on a coarse grid. Skin above and below the line between the lips needs a
field of its own, so that the mouth can open: the main field is the face as if it all hung on the
upper lip, and around the lower lip and the chin a second one tells the difference of hanging on the
lower lip instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render import head
from comps.animation.engines.portrait.render.anatomy import Anatomy
from comps.animation.engines.portrait.render.controls import Controls, make_controls
from comps.animation.engines.portrait.render.grid import Box, Grid, choose_grid
from comps.animation.engines.portrait.render.shapes import LOWER_LIP, UPPER_LIP, displacements
from comps.animation.engines.portrait.render.spline import ThinPlate

Plane = NDArray[np.float32]
Points = NDArray[np.float64]

LEAST_WEIGHT = 1e-4
"""Shapes that nowhere reach this weight in a batch of frames are left out."""
CHIN_BOX = (-0.95, -0.40, 0.95, 1.15)
"""Left, top, right and bottom, in face axes, of where the lower lip's own field differs."""
CHIN_FADE = 0.28
"""Width of the border in which the difference fades, in units."""


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """Displacements of K shapes in one box of the grid: `basis` float32 `[K, rows * columns * 2]`, pixels at weight 1."""

    box: Box
    basis: Plane

    def mix(self, weights: Plane) -> Plane:
        """Summed displacements `[n, rows, columns, 2]` for `weights` `[n, K]`; a row's do not depend on the others."""
        weights = np.where(np.abs(weights) > LEAST_WEIGHT, weights, np.float32(0))
        used = np.flatnonzero(weights.any(0))
        # Not `@`: the products are small, and BLAS would wake its threads, which then spin where others draw.
        mixed: Plane = np.einsum("nk,kp->np", weights[:, used], self.basis[used])
        return mixed.reshape(len(weights), *self.box.shape, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Precomputed displacements of one face; the shapes are `names`, in that order.

    `face` moves the whole face on the upper lip, `chin` adds what the lower lip's field differs. `turns` are the six of
    the head, then the irises' travel to the right and down by one pixel. `upper_curve` and `lower_curve` float32
    `[K + 6, CURVE * 2]` move the lip edges by shapes and head.
    """

    names: tuple[str, ...]
    grid: Grid
    turns: Shapes
    face: Shapes
    chin: Shapes
    upper_curve: Plane
    lower_curve: Plane


def build_field(anatomy: Anatomy, size: tuple[int, int]) -> Field:
    """The field of a face in a frame of `size` (width, height)."""
    grid = choose_grid(anatomy, head.reach(anatomy), size)
    controls = make_controls(anatomy)
    shapes = displacements(controls)
    values = np.concatenate([anatomy.vector(moved) for moved in shapes.values()], 1)
    upper, lower = (_plate(anatomy, controls, values, other) for other in (LOWER_LIP, UPPER_LIP))
    still = controls.local[controls.fixed]
    face = grid.box(anatomy, (*still.min(0), *still.max(0)))
    chin = grid.box(anatomy, CHIN_BOX)
    face_nodes, chin_nodes = grid.nodes(face), grid.nodes(chin)
    moved = _evaluate(anatomy, upper, face_nodes) * _window(anatomy, still, face_nodes)
    apart = _evaluate(anatomy, lower, chin_nodes) - _evaluate(anatomy, upper, chin_nodes)
    apart = apart * _window(anatomy, still, chin_nodes) * _chin_window(anatomy, chin_nodes)
    turns = np.concatenate([_head(anatomy, grid.nodes(grid.whole)), _gaze(anatomy, grid.nodes(grid.whole))])
    return Field(
        names=tuple(shapes),
        grid=grid,
        turns=Shapes(grid.whole, _flat(turns)),
        face=Shapes(face, _flat(moved)),
        chin=Shapes(chin, _flat(apart)),
        upper_curve=_curve(anatomy, upper, anatomy.upper),
        lower_curve=_curve(anatomy, lower, anatomy.lower),
    )


def _plate(anatomy: Anatomy, controls: Controls, values: Points, without: tuple[int, ...]) -> ThinPlate:
    keep = ~controls.points(*without)
    # Inner and outer corners nearly coincide; a little stiffness keeps the system sound.
    return ThinPlate((controls.video[keep] - anatomy.mouth) / anatomy.unit, values[keep], stiffness=2e-3)


def _evaluate(anatomy: Anatomy, plate: ThinPlate, points: Points) -> Points:
    """Displacements `[K, n, 2]` at video `points` `[n, 2]`; splines are solved in units, where their kernel is well scaled."""
    values = plate((points - anatomy.mouth) / anatomy.unit)
    apart: Points = values.reshape(len(points), -1, 2).transpose(1, 0, 2)
    return apart


def _curve(anatomy: Anatomy, plate: ThinPlate, curve: Points) -> Plane:
    return _flat(np.concatenate([_evaluate(anatomy, plate, curve), _head(anatomy, curve)]))


def _flat(values: Points) -> Plane:
    return np.ascontiguousarray(values.reshape(len(values), -1), dtype=np.float32)


def _head(anatomy: Anatomy, points: Points) -> Points:
    """The six turns `[6, n, 2]`, the angles for one degree."""
    shapes = anatomy.vector(head.head_shapes(anatomy, points))
    shapes[:3] *= np.pi / 180
    return shapes


def _window(anatomy: Anatomy, still: Points, points: Points) -> Points:
    """1 on the face, 0 beyond the still ring, so that a spline's far end moves nothing; `[n, 1]`."""
    local = anatomy.local(points)
    inside = np.minimum(local - still.min(0), still.max(0) - local).min(1)
    return _ramp(inside / 0.3)[:, None]


def _chin_window(anatomy: Anatomy, points: Points) -> Points:
    local = anatomy.local(points)
    left, top, right, bottom = CHIN_BOX
    inside = np.minimum(local - (left, top), (right, bottom) - local).min(1)
    return _ramp(inside / CHIN_FADE)[:, None]


def _ramp(value: Points) -> Points:
    t = np.clip(value, 0, 1)
    result: Points = t * t * (3 - 2 * t)
    return result


def _gaze(anatomy: Anatomy, points: Points) -> Points:
    """One pixel of iris travel to the right and down, `[2, n, 2]`: full on the irises, none at the lids' ends."""
    share = np.zeros(len(points))
    for x, y, radius in anatomy.irises:
        distance = np.hypot(points[:, 0] - x, points[:, 1] - y) / max(float(radius), 1.0)
        share = np.maximum(share, np.exp(-(np.clip(distance - 0.75, 0, None) ** 2) / 0.32))
    shift = np.zeros((2, len(points), 2))
    shift[0, :, 0] = shift[1, :, 1] = share
    return shift


def invert(displacement: Plane, nodes: Plane, stride: int, start: Plane, steps: int) -> Plane:
    """Where the picture's point that lands on each of `nodes` `[rows, columns, 2]` comes from, in video pixels.

    The answer s solves s + d(s) = node; each step puts the last guess, at first `start`, into d. A step cuts the error by
    the steepest slope of d, about 0.3 beside an open mouth and next to nothing elsewhere.
    """
    source = start
    for _ in range(steps):
        where = (source - nodes[0, 0]) * np.float32(1 / stride)
        found = cv2.remap(displacement, where, np.empty(0), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        source = (nodes - found).astype(np.float32, copy=False)
    return source
