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

_SKIN: tuple[dict[int, float], ...] = (
    {48: 0.5, 3: 0.5}, {48: 0.55, 5: 0.45},
    {31: 0.4, 48: 0.4, 3: 0.2},
    {41: 0.5, 3: 0.5}, {36: 0.4, 1: 0.6},
    {58: 0.5, 7: 0.5}, {57: 0.5, 8: 0.5},
    {17: 1.7, 36: -0.7}, {21: 1.8, 39: -0.8},
)  # fmt: skip
"""Skin of the viewer's left half as mixtures of iBUG points: two on the cheek, the naso-labial fold, cheekbone and temple,
two below the lips, two on the forehead."""
CHEEK, FOLD, BONE, UNDER_LIP, FOREHEAD = (0, 1), (2,), (3, 4), (5, 6), (7, 8)
_MIRRORED = {
    48: 54, 3: 13, 5: 11, 31: 35, 41: 46, 36: 45, 1: 15, 58: 56, 7: 9, 57: 57, 8: 8, 17: 26, 21: 22, 39: 42,
}  # fmt: skip
OUTSIDE_SHARE = 0.62
"""How much of the jaw's movement the neck just outside its line follows."""
SEAM_STEPS = (3, 6, 9, 13, 16, 19, 23, 26, 29)
"""Points of the inner lip edges (of `CURVE`) that become control points, so that an opening mouth is round."""
UPPER_SEAM = tuple(range(100, 100 + len(SEAM_STEPS)))
LOWER_SEAM = tuple(range(120, 120 + len(SEAM_STEPS)))
"""Their numbers, beyond those of iBUG."""


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
    local = anatomy.local(anatomy.points)
    mixed = [(i, mix) for i, mix in enumerate(_SKIN)]
    mixed += [(i, {_MIRRORED[p]: w for p, w in mix.items()}) for i, mix in enumerate(_SKIN) if 57 not in mix]
    skin = np.array([sum(w * local[p] for p, w in mix.items()) for _, mix in mixed])
    numbers = np.array([i for i, _ in mixed])
    jaw = local[:17]
    ring = _still_ring(jaw)
    made = np.vstack([skin, ring])
    outside = 1.22 * jaw[2:15]
    seam = np.vstack([anatomy.upper[list(SEAM_STEPS)], anatomy.lower[list(SEAM_STEPS)]])
    video = np.vstack([anatomy.points, seam, anatomy.place(np.vstack([outside, made]))])
    known = np.concatenate([np.arange(68), UPPER_SEAM, LOWER_SEAM])
    others = len(video) - len(known)
    return Controls(
        video=video,
        local=_frontal(anatomy.local(video), anatomy),
        ibug=np.concatenate([known, np.full(others, -1)]),
        skin=np.concatenate([np.full(len(known) + len(outside), -1), numbers, np.full(len(ring), -1)]),
        fixed=np.arange(len(video)) >= len(video) - len(ring),
        jaw_share=np.concatenate(
            [_jaw_shares(), np.zeros(len(seam)), OUTSIDE_SHARE * _jaw_shares()[2:15], np.zeros(len(made))]
        ),
    )


def _jaw_shares() -> Points:
    shares = np.zeros(68)
    half = np.array([0.0, 0.0, 0.02, 0.07, 0.18, 0.40, 0.70, 0.92, 1.0])
    shares[:17] = np.concatenate([half, half[-2::-1]])
    return shares


def _still_ring(jaw: Points) -> Points:
    """Points around the face that nothing on it moves: beside the ears, above the forehead, down the neck."""
    left, right, chin = jaw[:, 0].min() - 0.35, jaw[:, 0].max() + 0.35, jaw[8, 1]
    sides = [(x, y) for x in (left, right) for y in np.linspace(-2.2, chin + 0.7, 8)]
    top = [(x, -2.2) for x in np.linspace(left, right, 6)[1:-1]]
    bottom = [(x, chin + y) for x in np.linspace(left, right, 6)[1:-1] for y in (0.75, 1.05)]
    ring: Points = np.array(sides + top + bottom)
    return ring


def _frontal(local: Points, anatomy: Anatomy) -> Points:
    """`local` with each half of the mouth stretched to its usual width, so that one table of displacements fits turned heads."""
    usual = float(np.mean(anatomy.half_widths))
    widths = np.where(local[:, 0] < 0, anatomy.half_widths[0], anatomy.half_widths[1])
    frontal: Points = local.copy()
    frontal[:, 0] *= usual / np.maximum(widths, 0.3 * usual)
    return frontal
