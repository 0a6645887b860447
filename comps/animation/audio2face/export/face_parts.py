"""Eyeballs, teeth, tongue and the inside of the mouth behind a face's skin, in the same axes (`skin_mesh.py`)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from comps.animation.audio2face.export.mesh import Mesh, Points, grid_triangles, linear
from comps.animation.audio2face.export.skin_mesh import EyeOutline
from comps.animation.audio2face.names import TONGUE_SHAPES
from comps.animation.engines.portrait.render.shapes import JAW_DROP
from comps.animation.motion.blendshapes import WIDEST_GAZE

_RINGS, _AROUND = (0.0, 0.14, 0.30, 0.30, 0.44, 0.58, 0.62, 0.62, 0.85, 1.15, 1.45), 24
"""Angles from the axis of an eyeball in shares of `_IRIS`, twice where the colour changes, and vertices on each ring."""
_IRIS = 0.85
"""Radians from the axis to the edge of the iris, over the largest share at which the iris still is."""
_PUPIL_END, _IRIS_END = 3, 7
"""The rings of pupil and iris, the rest is white."""
_BLACK, _WHITE, _BROWN = (18, 14, 14), (238, 234, 230), (92, 62, 42)
_TEETH, _FLESH, _DARK = (236, 230, 220), (196, 98, 98), (60, 18, 20)
_JAW_FORWARD, _JAW_ASIDE = 0.14, 0.08
_TEETH_ROWS, _TEETH_COLUMNS = 3, 13
_TONGUE_ROWS, _TONGUE_COLUMNS = 11, 9
_TONGUE_LENGTH, _TONGUE_WIDTH = 0.42, 0.20


def eyeball(eye: EyeOutline, depth: float) -> Mesh:
    """A sphere's front behind the opening of an eye, whose lids are at `depth`."""
    radius = max(0.19, 0.62 * eye.width)
    axis = np.array([*eye.middle, depth - radius - 0.02])
    angles = np.array(_RINGS) * _IRIS
    around = np.arange(_AROUND) * (2 * np.pi / _AROUND)
    out, front = np.sin(angles)[:, None], np.cos(angles)[:, None]
    ball = np.stack([out * np.cos(around), out * np.sin(around), np.broadcast_to(front, (len(angles), _AROUND))], -1)
    ball = ball.reshape(-1, 3) * radius
    colours = linear([_BLACK] * _PUPIL_END + [_BROWN] * (_IRIS_END - _PUPIL_END) + [_WHITE] * (len(angles) - _IRIS_END))
    triangles = grid_triangles(len(angles), _AROUND, around=True)
    return Mesh(axis + ball, np.repeat(colours, _AROUND, axis=0), triangles, _looks(eye.side, ball))


def _looks(side: str, ball: Points) -> dict[str, Points]:
    """Rotations by the widest gaze; x grows to the subject's left and y down."""
    left = "Out" if side == "Left" else "In"
    right = "In" if side == "Left" else "Out"
    ways = {left: (0, 1.0), right: (0, -1.0), "Down": (1, 1.0), "Up": (1, -1.0)}
    return {f"eyeLook{way}{side}": _turned(ball, axis, sign) - ball for way, (axis, sign) in ways.items()}


def _turned(points: Points, axis: int, sign: float) -> Points:
    """Points whose front (z) goes to `axis` (x or y) by the widest gaze."""
    cosine, sine = np.cos(np.radians(WIDEST_GAZE)), sign * np.sin(np.radians(WIDEST_GAZE))
    turned: Points = points.copy()
    turned[:, axis] = cosine * points[:, axis] + sine * points[:, 2]
    turned[:, 2] = cosine * points[:, 2] - sine * points[:, axis]
    return turned


def inside(half_width: float, depth: float, recede: float) -> list[Mesh]:
    """Teeth, tongue and cavity of a mouth of this half width whose lips are at `depth`.

    `recede` is how much further back the chin's skin is where an open jaw takes the teeth.
    """
    return [
        _teeth(half_width, depth - 0.10, (-0.12, 0.045), {}),
        _teeth(half_width, depth - 0.12, (0.05, 0.13), _jaw(np.ones(_TEETH_ROWS * _TEETH_COLUMNS), recede)),
        _tongue(depth - 0.16, recede),
        _cavity(half_width, depth - 0.16, recede),
    ]


def _teeth(half_width: float, depth: float, rows: tuple[float, float], targets: dict[str, Points]) -> Mesh:
    across = np.linspace(-0.8, 0.8, _TEETH_COLUMNS) * half_width
    x, y = np.meshgrid(across, np.linspace(*rows, _TEETH_ROWS))
    positions = np.stack([x, y, depth - 0.9 * x * x], -1).reshape(-1, 3)
    colours = np.repeat(linear([_TEETH]), len(positions), axis=0)
    return Mesh(positions, colours, grid_triangles(_TEETH_ROWS, _TEETH_COLUMNS)[:, ::-1], targets)


def _cavity(half_width: float, depth: float, recede: float) -> Mesh:
    """The hollow behind the lips; its lower half goes with the jaw."""
    angles, around = np.linspace(0, np.pi / 2, 6), np.arange(20) * (2 * np.pi / 20)
    out, back = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x = 1.05 * half_width * out * np.cos(around)
    y = 0.05 + 0.24 * out * np.sin(around)
    positions = np.stack([x, y, np.broadcast_to(depth - 0.55 * back, x.shape)], -1).reshape(-1, 3)
    positions[:, 2] -= 0.9 * positions[:, 0] ** 2
    colours = np.repeat(linear([_DARK]), len(positions), axis=0)
    share = np.clip((positions[:, 1] + 0.19) / 0.48, 0, 1)
    return Mesh(positions, colours, grid_triangles(6, 20, around=True)[:, ::-1], _jaw(share, recede))


def _tongue(depth: float, recede: float) -> Mesh:
    along: Points = np.repeat(np.linspace(0, 1, _TONGUE_ROWS), _TONGUE_COLUMNS)
    aside: Points = np.tile(np.linspace(-1, 1, _TONGUE_COLUMNS), _TONGUE_ROWS)
    half = _TONGUE_WIDTH * np.sqrt(np.clip(1 - 0.92 * along**3, 0, 1))
    arch = 0.05 * (1 - aside**2) * (1 - 0.4 * along)
    positions = np.stack([aside * half, 0.09 - arch, depth - _TONGUE_LENGTH * (1 - along)], 1)
    moves = {name: draw(along, aside) for name, draw in _TONGUE.items()}
    moves["tongueOut"] = np.stack([0 * along, 0.14 * along**3 - 0.25 * along, 0.50 * along], 1)
    colours = np.repeat(linear([_FLESH]), len(positions), axis=0)
    carried = _jaw(np.full(len(along), 0.6), 0.3 * recede)
    return Mesh(positions, colours, grid_triangles(_TONGUE_ROWS, _TONGUE_COLUMNS)[:, ::-1], carried | moves)


def _jaw(share: Points, recede: float) -> dict[str, Points]:
    """What the lower jaw carries by `share` `[v]`."""
    directions = {
        "jawOpen": (0.0, JAW_DROP, -recede), "jawForward": (0.0, 0.0, _JAW_FORWARD),
        "jawLeft": (_JAW_ASIDE, 0.0, 0.0), "jawRight": (-_JAW_ASIDE, 0.0, 0.0),
    }  # fmt: skip
    return {name: share[:, None] * np.array(direction) for name, direction in directions.items()}


Bend = Callable[[Points, Points], Points]


def _bend(x: Bend | None = None, y: Bend | None = None, z: Bend | None = None) -> Bend:
    """Displacements `[v, 3]` from their parts, each a function of the place along the tongue (0 root, 1 tip) and aside (-1..1)."""

    def moved(along: Points, aside: Points) -> Points:
        return np.stack([np.zeros_like(along) if part is None else part(along, aside) for part in (x, y, z)], 1)

    return moved


_TONGUE: dict[str, Bend] = {
    "TongueTipUp": _bend(y=lambda t, s: -0.14 * t**4, z=lambda t, s: -0.03 * t**4),
    "TongueTipDown": _bend(y=lambda t, s: 0.10 * t**4),
    "TongueTipLeft": _bend(x=lambda t, s: 0.12 * t**3),
    "TongueTipRight": _bend(x=lambda t, s: -0.12 * t**3),
    "TongueRollUp": _bend(y=lambda t, s: -0.10 * s**2 * t),
    "TongueRollDown": _bend(y=lambda t, s: 0.08 * s**2 * t),
    "TongueRollLeft": _bend(y=lambda t, s: -0.08 * s * t),
    "TongueRollRight": _bend(y=lambda t, s: 0.08 * s * t),
    "TongueUp": _bend(y=lambda t, s: -0.10 * np.sin(np.pi * t)),
    "TongueDown": _bend(y=lambda t, s: 0.06 * np.sin(np.pi * t)),
    "TongueLeft": _bend(x=lambda t, s: 0.10 * t),
    "TongueRight": _bend(x=lambda t, s: -0.10 * t),
    "TongueIn": _bend(z=lambda t, s: -0.14 * t),
    "TongueStretch": _bend(z=lambda t, s: 0.16 * t),
    "TongueWide": _bend(x=lambda t, s: 0.06 * s * t),
    "TongueNarrow": _bend(x=lambda t, s: -0.05 * s * t),
}
"""The sixteen shapes of the tongue."""
assert tuple(_TONGUE) == TONGUE_SHAPES
