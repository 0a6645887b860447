"""Shapes: what each blend shape does to the control points, in face axes and units of the eye distance.

`x` grows to the viewer's right, `y` downward. A shape is given for the whole face; its left and right
halves come from a soft mask. Upper and lower lip have their own fields, told apart by `lip`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render.controls import (
    BONE,
    CHEEK,
    FOLD,
    FOREHEAD,
    LOWER_SEAM,
    UNDER_LIP,
    UPPER_SEAM,
    Controls,
)

Points = NDArray[np.float64]
Lip = Literal["upper", "lower"]

JAW_DROP = 0.42
"""How far jawOpen = 1 lowers the lower teeth, in units."""
UPPER_LIP = (49, 50, 51, 52, 53, 61, 62, 63, *UPPER_SEAM)
LOWER_LIP = (55, 56, 57, 58, 59, 65, 66, 67, *LOWER_SEAM)
CORNERS = (48, 54, 60, 64)
OUTER_UPPER, OUTER_LOWER = (49, 50, 51, 52, 53), (55, 56, 57, 58, 59)
CHIN = (6, 7, 8, 9, 10)
WINGS, NOSTRILS = (31, 35), (32, 33, 34)


class _Sketch:
    """A displacement being drawn on the control points of one face."""

    def __init__(self, controls: Controls) -> None:
        self.controls = controls
        self.moves = np.zeros_like(controls.local)
        corners = np.abs(controls.local[controls.points(48, 54), 0])
        self.reach = float(corners.mean())
        """0 at the middle of the mouth, 1 at its corners."""
        self.aside = np.clip(np.abs(controls.local[:, 0]) / self.reach, 0, 1)

    def lips(self, numbers: tuple[int, ...], dx: float, dy: float, power: float = 2.0) -> None:
        """Move lip points, most in the middle; `dx` is outward and grows with the distance from the middle."""
        where = self.controls.points(*numbers)
        fade = 1 - self.aside[where] ** power
        self.moves[where, 0] += dx * self.controls.side[where] * self.aside[where]
        self.moves[where, 1] += dy * fade

    def corners(self, dx: float, dy: float) -> None:
        """Move the corners outward by `dx` half widths of the mouth and down by `dy`, the lips beside them in proportion."""
        where = self.controls.points(*CORNERS, *UPPER_LIP, *LOWER_LIP)
        share = self.aside[where] ** 1.6
        self.moves[where, 0] += dx * self.reach * self.controls.side[where] * self.aside[where]
        self.moves[where, 1] += dy * share

    def rigid(self, numbers: tuple[int, ...], dx: float, dy: float) -> None:
        """Move iBUG points by `dx` outward and `dy` down."""
        self._move(self.controls.points(*numbers), dx, dy)

    def skin(self, numbers: tuple[int, ...], dx: float, dy: float) -> None:
        """Move patches of skin."""
        self._move(self.controls.patches(numbers), dx, dy)

    def shift(self, numbers: tuple[int, ...], dx: float, dy: float) -> None:
        """Move iBUG points sideways, the same way on both sides."""
        where = self.controls.points(*numbers)
        self.moves[where] += (dx, dy)

    def jaw(self, dx: float, dy: float) -> None:
        """Move the jaw line with the lower jaw."""
        self.moves += self.controls.jaw_share[:, None] * np.array([dx, dy])

    def thicken(self, amount: float, lip: Lip | None = None) -> None:
        """Move the outer lip edges away from the line between the lips by `amount` of their distance."""
        for name, numbers in (("upper", OUTER_UPPER), ("lower", OUTER_LOWER)):
            if lip in (None, name):
                where = self.controls.points(*numbers)
                self.moves[where, 1] += amount * self.controls.local[where, 1]

    def fill(self, upper: float, lower: float) -> None:
        """Round the lips' outline: push the outer edges halfway to the corners outward, up by `upper`, down by `lower`."""
        for numbers, dy in ((OUTER_UPPER, -upper), (OUTER_LOWER, lower)):
            where = self.controls.points(*numbers)
            self.moves[where, 1] += dy * np.sin(np.pi * self.aside[where] ** 0.8)

    def _move(self, where: NDArray[np.bool_], dx: float, dy: float) -> None:
        self.moves[where, 0] += dx * self.controls.side[where]
        self.moves[where, 1] += dy


def _jaw_open(s: _Sketch) -> None:
    s.lips(LOWER_LIP, -0.02, JAW_DROP * 0.72, power=2.2)
    s.corners(-0.09, JAW_DROP * 0.26)
    s.jaw(0, JAW_DROP * 0.92)
    s.skin(UNDER_LIP, 0, JAW_DROP * 0.95)
    s.skin(CHEEK, -0.015, JAW_DROP * 0.16)
    s.skin(FOLD, 0, JAW_DROP * 0.05)


def _mouth_close(s: _Sketch) -> None:
    s.lips(LOWER_LIP, 0, -JAW_DROP * 0.62, power=2.2)
    s.lips(UPPER_LIP, 0, JAW_DROP * 0.10, power=2.2)
    s.skin(UNDER_LIP, 0, -JAW_DROP * 0.25)


def _funnel(s: _Sketch) -> None:
    s.corners(-0.20, 0)
    s.lips(UPPER_LIP, 0, -0.055, power=2.4)
    s.lips(LOWER_LIP, 0, 0.075, power=2.4)
    s.thicken(0.10)
    s.fill(0.03, 0.02)
    s.skin(CHEEK, -0.04, 0)
    s.skin(UNDER_LIP, 0, 0.03)


def _pucker(s: _Sketch) -> None:
    s.corners(-0.27, 0)
    s.lips(UPPER_LIP, 0, -0.006)
    s.lips(LOWER_LIP, 0, 0.006)
    s.thicken(0.10)
    s.fill(0.03, 0.02)
    s.skin(CHEEK, -0.05, 0)
    s.skin(FOLD, -0.02, 0)


def _stretch(s: _Sketch) -> None:
    s.corners(0.24, 0.02)
    s.thicken(-0.10)
    s.skin(CHEEK, 0.045, 0.01)


def _smile(s: _Sketch) -> None:
    s.corners(0.22, -0.085)
    s.thicken(-0.10)
    s.skin(CHEEK, 0.04, -0.05)
    s.skin(FOLD, 0.03, -0.035)
    s.skin(BONE, 0, -0.025)
    s.rigid(WINGS, 0.012, -0.01)


def _frown(s: _Sketch) -> None:
    s.corners(-0.03, 0.075)
    s.skin(CHEEK, 0, 0.02)


def _dimple(s: _Sketch) -> None:
    s.corners(0.12, 0.005)
    s.thicken(-0.06)


def _upper_up(s: _Sketch) -> None:
    s.lips(UPPER_LIP, 0.02, -0.105, power=3.0)
    s.skin(FOLD, 0.01, -0.03)
    s.rigid(WINGS, 0.008, -0.015)


def _lower_down(s: _Sketch) -> None:
    s.lips(LOWER_LIP, 0.03, 0.105, power=3.0)
    s.skin(UNDER_LIP, 0, 0.03)


def _press(s: _Sketch) -> None:
    s.lips(UPPER_LIP, 0, 0.012, power=4)
    s.lips(LOWER_LIP, 0, -0.012, power=4)
    s.thicken(-0.22)
    s.corners(0.03, 0.0)


def _roll_upper(s: _Sketch) -> None:
    s.thicken(-0.40, "upper")
    s.lips(UPPER_LIP, 0, 0.012)


def _roll_lower(s: _Sketch) -> None:
    s.thicken(-0.35, "lower")
    s.lips(LOWER_LIP, 0, -0.015)


def _shrug_upper(s: _Sketch) -> None:
    s.lips(UPPER_LIP, 0, -0.03)
    s.thicken(0.1, "upper")


def _shrug_lower(s: _Sketch) -> None:
    s.lips(LOWER_LIP, 0, -0.05)
    s.skin(UNDER_LIP, 0, -0.05)
    s.rigid((7, 8, 9), 0, -0.03)


def _mouth_right(s: _Sketch) -> None:
    s.shift((*UPPER_LIP, *LOWER_LIP, *CORNERS), -0.10, 0)


def _mouth_left(s: _Sketch) -> None:
    s.shift((*UPPER_LIP, *LOWER_LIP, *CORNERS), 0.10, 0)


def _jaw_right(s: _Sketch) -> None:
    s.jaw(-0.08, 0)
    s.shift(LOWER_LIP, -0.06, 0)


def _jaw_left(s: _Sketch) -> None:
    s.jaw(0.08, 0)
    s.shift(LOWER_LIP, 0.06, 0)


def _cheek_puff(s: _Sketch) -> None:
    s.skin(CHEEK, 0.07, 0)
    s.rigid((3, 4, 5, 11, 12, 13), 0.04, 0)


def _cheek_squint(s: _Sketch) -> None:
    s.skin(BONE, 0, -0.05)
    s.rigid((40, 41, 46, 47), 0, -0.025)


def _sneer(s: _Sketch) -> None:
    s.rigid(WINGS, 0.02, -0.05)
    s.skin(FOLD, 0, -0.04)


def _eye_squint(s: _Sketch) -> None:
    s.rigid((40, 41, 46, 47), 0, -0.035)
    s.rigid((37, 38, 43, 44), 0, 0.02)


def _eye_wide(s: _Sketch) -> None:
    s.rigid((37, 38, 43, 44), 0, -0.04)


def _brow_down(s: _Sketch) -> None:
    s.rigid((20, 21, 22, 23), -0.03, 0.07)
    s.rigid((17, 18, 19, 24, 25, 26), -0.02, 0.05)


def _brow_inner_up(s: _Sketch) -> None:
    s.rigid((20, 21, 22, 23), -0.005, -0.10)
    s.rigid((19, 24), 0, -0.05)
    s.skin(FOREHEAD[1:], 0, -0.03)


def _brow_outer_up(s: _Sketch) -> None:
    s.rigid((17, 18, 19, 24, 25, 26), 0, -0.09)
    s.rigid((20, 23), 0, -0.05)
    s.skin(FOREHEAD[:1], 0, -0.03)


SHAPES: dict[str, Callable[[_Sketch], None]] = {
    "jawOpen": _jaw_open, "jawLeft": _jaw_left, "jawRight": _jaw_right,
    "mouthClose": _mouth_close, "mouthFunnel": _funnel, "mouthPucker": _pucker,
    "mouthLeft": _mouth_left, "mouthRight": _mouth_right,
    "mouthRollLower": _roll_lower, "mouthRollUpper": _roll_upper,
    "mouthShrugLower": _shrug_lower, "mouthShrugUpper": _shrug_upper,
    "browInnerUp": _brow_inner_up, "cheekPuff": _cheek_puff,
}  # fmt: skip
"""Shapes of the whole face by ARKit name."""
SIDED: dict[str, Callable[[_Sketch], None]] = {
    "mouthSmile": _smile, "mouthFrown": _frown, "mouthDimple": _dimple, "mouthStretch": _stretch,
    "mouthPress": _press, "mouthLowerDown": _lower_down, "mouthUpperUp": _upper_up,
    "browDown": _brow_down, "browOuterUp": _brow_outer_up,
    "cheekSquint": _cheek_squint, "noseSneer": _sneer, "eyeSquint": _eye_squint, "eyeWide": _eye_wide,
}  # fmt: skip
"""Shapes that ARKit has for the subject's Left and Right, without that suffix."""


SEAL = "seal"
"""A shape of our own: at weight 1 it shuts a mouth that is open in the picture."""
SEAL_SHARES = (0.42, 0.74)
"""Shares of the gap by which the upper lip sinks and the lower one rises to shut it: a little more than all of it, so that
nothing of the inside shows between the lips."""


def displacements(controls: Controls) -> dict[str, Points]:
    """Displacement `[n, 2]` in units and face axes of every control point, for each ARKit name at weight 1, and `SEAL`."""
    moved = {name: _draw(draw, controls) for name, draw in SHAPES.items()}
    ramp = np.clip(controls.local[:, :1] / 0.24 + 0.5, 0, 1)
    left = ramp * ramp * (3 - 2 * ramp)
    for name, draw in SIDED.items():
        whole = _draw(draw, controls)
        moved[f"{name}Left"], moved[f"{name}Right"] = whole * left, whole * (1 - left)
    moved[SEAL] = _seal(controls)
    return moved


def _seal(controls: Controls) -> Points:
    upper, lower = (controls.local[controls.points(*numbers)] for numbers in (UPPER_SEAM, LOWER_SEAM))
    gap = np.interp(controls.local[:, 0], upper[:, 0], lower[:, 1] - upper[:, 1], left=0, right=0)
    moves = np.zeros_like(controls.local)
    for numbers, share in ((UPPER_LIP, SEAL_SHARES[0]), (LOWER_LIP, -SEAL_SHARES[1])):
        where = controls.points(*numbers)
        moves[where, 1] = share * gap[where]
    return moves


def _draw(draw: Callable[[_Sketch], None], controls: Controls) -> Points:
    sketch = _Sketch(controls)
    draw(sketch)
    sketch.moves[controls.fixed] = 0
    return sketch.moves
