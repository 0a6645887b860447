"""The skin of a face in a picture as a relief: the portrait's own shapes, with depth.

Vertices lie in the face axes of the portrait's renderer (units of the eye distance, x to the viewer's right, y down). Along
the line between the lips every vertex is there twice, so that the mouth can open; the eyes are holes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.export.mesh import Mesh, Points, Triangles, linear
from comps.animation.engines.portrait.render.anatomy import CURVE, Anatomy
from comps.animation.engines.portrait.render.controls import make_controls
from comps.animation.engines.portrait.render.head import CENTRE, WIDTH, depth_at
from comps.animation.engines.portrait.render.shapes import LOWER_LIP, SEAL, UPPER_LIP, displacements
from comps.animation.engines.portrait.render.spline import ThinPlate

FINE, COARSE = 0.055, 0.11
"""Distance between vertices around mouth and eyes, and elsewhere."""
_FINE_BOX = (0.72, -1.28, 0.42)
"""Half width, top and bottom of where they are fine."""
_OUTLINE, _LID = 72, 12
"""Vertices around the head, and along each lid."""
_STEEPEST = 0.5
"""Slope of the surface that a moving vertex follows at most: at its outline a head is infinitely steep."""
_SCALE = 1000.0
"""OpenCV triangulates in single precision, from 0 on."""

_BULGES: dict[str, tuple[tuple[float, float, float, float, float], ...]] = {
    "mouthPucker": ((0.15, 0.0, 0.0, 0.28, 0.22),),
    "mouthFunnel": ((0.12, 0.0, 0.0, 0.30, 0.26),),
    "mouthRollUpper": ((-0.05, 0.0, -0.05, 0.34, 0.08),),
    "mouthRollLower": ((-0.05, 0.0, 0.06, 0.34, 0.08),),
    "mouthPressLeft": ((-0.02, 0.2, 0.0, 0.2, 0.1),),
    "mouthPressRight": ((-0.02, -0.2, 0.0, 0.2, 0.1),),
    "mouthShrugUpper": ((0.03, 0.0, -0.06, 0.3, 0.1),),
    "mouthShrugLower": ((0.04, 0.0, 0.10, 0.3, 0.12),),
    "mouthDimpleLeft": ((-0.05, 0.46, 0.0, 0.12, 0.14),),
    "mouthDimpleRight": ((-0.05, -0.46, 0.0, 0.12, 0.14),),
    "jawForward": ((0.14, 0.0, 0.42, 0.55, 0.42),),
    "jawOpen": ((-0.10, 0.0, 0.55, 0.6, 0.35),),
    "cheekPuff": ((0.15, 0.58, -0.12, 0.26, 0.3), (0.15, -0.58, -0.12, 0.26, 0.3)),
    "cheekSquintLeft": ((0.04, 0.52, -0.58, 0.24, 0.18),),
    "cheekSquintRight": ((0.04, -0.52, -0.58, 0.24, 0.18),),
}  # fmt: skip
"""What the picture's plane does not show, by shape: height toward the viewer, middle x and y, and width in x and y, of bells."""


@dataclass(frozen=True, slots=True, eq=False)
class EyeOutline:
    """The opening of one eye in face axes: lids `[LID + 1, 2]` from the viewer's left corner to the right one."""

    side: str
    upper: Points
    lower: Points

    @property
    def ring(self) -> Points:
        """The whole outline `[2 LID, 2]`."""
        return np.concatenate([self.upper, self.lower[-2:0:-1]])

    @property
    def middle(self) -> Points:
        """The middle of the opening `[2]`."""
        middle: Points = self.ring.mean(axis=0)
        return middle

    @property
    def width(self) -> float:
        """From corner to corner."""
        return float(np.linalg.norm(self.upper[-1] - self.upper[0]))


def eye_outlines(anatomy: Anatomy) -> tuple[EyeOutline, EyeOutline]:
    """The eyes of a face, the subject's right one first: smooth lids through the six points of each."""
    local = anatomy.local(anatomy.points)
    return _outline("Right", local[36:42]), _outline("Left", local[42:48])


def _outline(side: str, points: Points) -> EyeOutline:
    across = np.linspace(points[0, 0], points[3, 0], _LID + 1)
    lids = []
    for row in (points[:4], points[[0, 5, 4, 3]]):
        curve = np.polynomial.Polynomial.fit(row[:, 0], row[:, 1], 3)
        lids.append(np.stack([across, curve(across)], 1))
    return EyeOutline(side, lids[0], np.maximum(lids[1], lids[0]))


def skin(anatomy: Anatomy, picture: NDArray[np.uint8]) -> Mesh:
    """The skin, in face axes with z toward the viewer; `picture` uint8 `[h, w, 3]` RGB is what `anatomy` was measured in."""
    eyes = eye_outlines(anatomy)
    seam = anatomy.local((anatomy.upper + anatomy.lower) / 2)
    flat, triangles = _triangulated(anatomy, seam, eyes)
    flat, triangles, below = _split(flat, triangles, seam)
    depth = depth_at(anatomy, flat)
    moved = _moved(anatomy, flat, below, seam)
    targets = {name: _lifted(anatomy, flat, depth, name, moves) for name, moves in moved.items()}
    targets["jawForward"] = _lifted(anatomy, flat, depth, "jawForward", np.zeros_like(flat))
    for eye in eyes:
        targets[f"eyeBlink{eye.side}"] = _blink(eye, flat)
    return Mesh(np.column_stack([flat, depth]), _colours(anatomy, flat, picture), triangles, targets)


def _triangulated(anatomy: Anatomy, seam: Points, eyes: tuple[EyeOutline, EyeOutline]) -> tuple[Points, Triangles]:
    """Vertices `[v, 2]`, those of the seam first, and triangles around the eyes' openings."""
    rings = [eye.ring for eye in eyes]
    edges = np.concatenate([seam, *rings])
    flat = np.concatenate([edges, _filling(anatomy, edges, rings)])
    triangles = _delaunay(flat)
    middles = flat[triangles].mean(axis=1)
    outside = ~(_inside(middles, rings[0]) | _inside(middles, rings[1]))
    return flat, triangles[outside]


def _filling(anatomy: Anatomy, edges: Points, rings: list[Points]) -> Points:
    """Vertices on the outline and everywhere inside it, none close to `edges` or in an eye."""
    angles = np.arange(_OUTLINE) * (2 * np.pi / _OUTLINE)
    up, down = _heights(anatomy)
    tall = np.where(np.sin(angles) < 0, up, down)
    outline = np.stack([CENTRE[0] + WIDTH * np.cos(angles), CENTRE[1] + tall * np.sin(angles)], 1)
    wide, top, bottom = _FINE_BOX
    coarse, fine = _lattice(COARSE, up, down), _lattice(FINE, up, down)
    fine_box = (np.abs(fine[:, 0]) < wide) & (fine[:, 1] > top) & (fine[:, 1] < bottom)
    far = (np.abs(coarse[:, 0]) > wide + FINE) | (coarse[:, 1] < top - FINE) | (coarse[:, 1] > bottom + FINE)
    inner = np.concatenate([fine[fine_box], coarse[far]])
    x, y = (inner - CENTRE).T
    inside = (x / WIDTH) ** 2 + (y / np.where(y < 0, up, down)) ** 2 < 0.90
    gap = np.linalg.norm(inner[:, None] - edges, axis=2).min(axis=1)
    free = inside & (gap > 0.6 * FINE) & ~_inside(inner, rings[0]) & ~_inside(inner, rings[1])
    return np.concatenate([outline, inner[free]])


def _lattice(step: float, up: float, down: float) -> Points:
    rows = np.arange(CENTRE[1] - up, CENTRE[1] + down, step * 0.87)
    columns = np.arange(-WIDTH, WIDTH, step)
    shift = (np.arange(len(rows)) % 2 * 0.5 * step)[:, None]
    x = columns[None, :] + shift
    return np.stack([x.reshape(-1), np.broadcast_to(rows[:, None], x.shape).reshape(-1)], 1)


def _heights(anatomy: Anatomy) -> tuple[float, float]:
    """From the middle of the head to the crown and to just below the chin."""
    crown = max(1.2, CENTRE[1] - float(anatomy.local(anatomy.crown)[1]) - 0.12)
    return crown, max(1.2, float(anatomy.local(anatomy.points[8])[1]) - CENTRE[1] + 0.08)


def _delaunay(flat: Points) -> Triangles:
    scaled = np.round((flat - flat.min(axis=0)) * _SCALE + 10).astype(np.float32)
    wide, tall = (int(side) + 20 for side in scaled.max(axis=0))
    plane = cv2.Subdiv2D((0, 0, wide, tall))
    number = {tuple(point): index for index, point in enumerate(scaled.tolist())}
    for point in scaled.tolist():
        plane.insert(point)
    corners = [tuple(map(tuple, np.reshape(row, (3, 2)).tolist())) for row in plane.getTriangleList()]
    known = [[number[point] for point in row] for row in corners if all(point in number for point in row)]
    triangles = np.array(known, np.int64)
    a, b, c = (flat[triangles[:, corner]] for corner in range(3))
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    turned = ux * vy - uy * vx > 0  # y points down here, so this is clockwise for who looks at the face
    triangles[turned] = triangles[turned][:, ::-1]
    return triangles


def _inside(points: Points, ring: Points) -> NDArray[np.bool_]:
    outline = ring.astype(np.float32)
    return np.array([cv2.pointPolygonTest(outline, (float(x), float(y)), False) > 0 for x, y in points])


def _split(flat: Points, triangles: Triangles, seam: Points) -> tuple[Points, Triangles, NDArray[np.bool_]]:
    """The mesh cut open along the seam, and which vertices hang on the lower lip because of that."""
    inner = np.arange(1, CURVE - 1)
    lower = np.arange(len(flat), len(flat) + len(inner))
    middles = flat[triangles].mean(axis=1)
    under = middles[:, 1] > np.interp(middles[:, 0], seam[:, 0], seam[:, 1])
    twin = np.arange(len(flat))
    twin[inner] = lower
    opened = np.where(under[:, None], twin[triangles], triangles)
    below = np.zeros(len(flat) + len(inner), bool)
    below[lower] = True
    return np.concatenate([flat, flat[inner]]), opened, below


def _moved(anatomy: Anatomy, flat: Points, below: NDArray[np.bool_], seam: Points) -> dict[str, Points]:
    """In-plane displacements `[v, 2]` of every shape of the portrait."""
    controls = make_controls(anatomy)
    shapes = {name: moves for name, moves in displacements(controls).items() if name != SEAL}
    values = np.concatenate(list(shapes.values()), axis=1)
    places = anatomy.local(controls.video)
    share = _lower_share(flat, below, seam)[:, None]
    still = places[controls.fixed]
    window = np.clip(np.minimum(flat - still.min(axis=0), still.max(axis=0) - flat).min(axis=1) / 0.3, 0, 1)[:, None]
    upper, lower = (
        ThinPlate(places[keep], values[keep], stiffness=2e-3)(flat)
        for keep in (~controls.points(*LOWER_LIP), ~controls.points(*UPPER_LIP))
    )
    blended = ((1 - share) * upper + share * lower) * window * window * (3 - 2 * window)
    return dict(zip(shapes, np.split(blended, len(shapes), axis=1), strict=True))


def _lower_share(flat: Points, below: NDArray[np.bool_], seam: Points) -> Points:
    """How much each vertex hangs on the lower lip: all or nothing between the corners, gradually beyond them."""
    outside = np.maximum(seam[0, 0] - flat[:, 0], flat[:, 0] - seam[-1, 0]).clip(0)
    height = flat[:, 1] - np.interp(flat[:, 0], seam[:, 0], seam[:, 1])
    share = np.clip(height / np.clip(0.7 * outside, 1e-6, 0.34) + 0.5, 0, 1)
    share[1 : CURVE - 1] = 0
    share[below] = 1
    result: Points = share
    return result


def _lifted(anatomy: Anatomy, flat: Points, depth: Points, name: str, moves: Points) -> Points:
    """A displacement `[v, 3]` that stays on the head's surface, with the shape's bells."""
    steepest = _STEEPEST * np.linalg.norm(moves, axis=1)
    lift = np.clip(depth_at(anatomy, flat + moves) - depth, -steepest, steepest)
    for height, x, y, wide, tall in _BULGES.get(name, ()):
        lift = lift + height * np.exp(-(((flat[:, 0] - x) / wide) ** 2) - ((flat[:, 1] - y) / tall) ** 2)
    return np.column_stack([moves, lift])


def _blink(eye: EyeOutline, flat: Points) -> Points:
    """Upper lid down to meet the lower one, which comes up a little."""
    upper, lower = (np.interp(flat[:, 0], lid[:, 0], lid[:, 1]) for lid in (eye.upper, eye.lower))
    between = (flat[:, 0] > eye.upper[0, 0]) & (flat[:, 0] < eye.upper[-1, 0])
    gap = np.where(between, lower - upper, 0.0)
    above, under = upper - flat[:, 1], flat[:, 1] - lower
    moved = np.zeros((len(flat), 3))
    moved[:, 1] = np.where(above > -1e-9, 0.95 * gap * np.exp(-((above / 0.13) ** 2)), 0.0)
    moved[:, 1] -= np.where((under > -1e-9) & (gap > 1e-9), 0.08 * gap * np.exp(-((under / 0.10) ** 2)), 0.0)
    moved[:, 2] = 0.12 * moved[:, 1]
    return moved


def _colours(anatomy: Anatomy, flat: Points, picture: NDArray[np.uint8]) -> Points:
    """The picture's colours at the vertices, a little blurred so that none is a single pixel's."""
    smooth = cv2.GaussianBlur(picture, (0, 0), 0.012 * anatomy.unit + 0.3)
    where = anatomy.place(flat).astype(np.float32)[:, None]
    return linear(
        cv2.remap(smooth, where, np.empty(0, np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
    )
