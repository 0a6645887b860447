"""Control points: the rig's points and a few of the skin around them, with their place in the face.

Every displacement of the face is told at these points and spread between them by thin-plate splines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render.anatomy import Anatomy

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SKIN: tuple[tuple[float, float], ...] = (
    (-0.62, -0.22), (-0.72, 0.12), (-0.34, -0.24),
    (-0.55, -0.62), (-0.85, -0.65),
    (-0.32, 0.26), (0.0, 0.30),
    (-0.55, -1.72), (0.0, -1.78), (-0.22, -1.5),
)  # fmt: skip
"""Cheek, corner of the jaw, naso-labial fold; cheekbone, temple; below the lips; forehead (viewer's left and midline)."""
CHEEK, FOLD, BONE, UNDER_LIP, FOREHEAD = (0, 1), (2,), (3, 4), (5, 6), (7, 8, 9)


@dataclass(frozen=True, slots=True, eq=False)
class Controls:
    """Points that carry displacements.

    `video` `[n, 2]` video pixels; `local` `[n, 2]` units from the middle of the mouth, corrected for a turned head so
    that the corners of the mouth lie at their frontal distance. Masks `[n]` name groups; `jaw_share` `[n]` is how far a
    point follows the lower jaw, 0..1.
    """

    video: Points
    local: Points
    ibug: NDArray[np.int64]
    skin: NDArray[np.int64]
    fixed: Mask
    jaw_share: Points

    @property
    def side(self) -> Points:
        """-1 on the viewer's left, +1 on the right, `[n]`."""
        return np.sign(self.local[:, 0])

    def points(self, *numbers: int) -> Mask:
        """The control points that are the iBUG points `numbers`."""
        return np.isin(self.ibug, numbers)

    def patches(self, numbers: tuple[int, ...]) -> Mask:
        """The control points in the skin that were made from entries `numbers` of the skin table."""
        return np.isin(self.skin, numbers)


def make_controls(anatomy: Anatomy) -> Controls:
    """Every control point of a face, with the ring that stays still."""
    skin = np.array([(sign * x, y) for x, y in _SKIN for sign in ((1,) if x == 0 else (1, -1))])
    numbers = np.array([i for i, (x, _) in enumerate(_SKIN) for _ in range(1 if x == 0 else 2)])
    jaw = anatomy.local(anatomy.points[:17])
    ring = _still_ring(jaw)
    made = np.vstack([skin, ring])
    count = len(anatomy.points)
    video = np.vstack([anatomy.points, anatomy.place(made)])
    none = np.full(len(made), -1)
    return Controls(
        video=video,
        local=_frontal(anatomy.local(video), anatomy),
        ibug=np.concatenate([np.arange(count), none]),
        skin=np.concatenate([np.full(count, -1), numbers, np.full(len(ring), -1)]),
        fixed=np.arange(len(video)) >= count + len(skin),
        jaw_share=np.concatenate([_jaw_shares(), np.zeros(len(made))]),
    )


def _jaw_shares() -> Points:
    shares = np.zeros(68)
    half = np.array([0.0, 0.0, 0.04, 0.14, 0.32, 0.56, 0.80, 0.95, 1.0])
    shares[:17] = np.concatenate([half, half[-2::-1]])
    return shares


def _still_ring(jaw: Points) -> Points:
    """Points around the face that nothing on it moves: beside the ears, above the forehead, down the neck."""
    left, right, chin = jaw[:, 0].min() - 0.35, jaw[:, 0].max() + 0.35, jaw[8, 1]
    sides = [(x, y) for x in (left, right) for y in np.linspace(-2.2, chin + 0.7, 8)]
    top = [(x, -2.2) for x in np.linspace(left, right, 6)[1:-1]]
    bottom = [(x, chin + y) for x in np.linspace(left, right, 6)[1:-1] for y in (0.75, 1.05)]
    return np.array(sides + top + bottom)


def _frontal(local: Points, anatomy: Anatomy) -> Points:
    """`local` with each half of the mouth stretched to its usual width, so that one table of displacements fits turned heads."""
    usual = float(np.mean(anatomy.half_widths))
    widths = np.where(local[:, 0] < 0, anatomy.half_widths[0], anatomy.half_widths[1])
    frontal = local.copy()
    frontal[:, 0] *= usual / np.maximum(widths, 0.3 * usual)
    return frontal
