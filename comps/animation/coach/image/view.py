"""FaceView: one face cut out upright and at one size, as every rule on faces measures it.

Lengths are in eye distances, the origin lies between the irises, x points to the viewer's right and y down the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.coach.image.mesh_search import face_of
from comps.animation.coach.image.symmetry import lean
from comps.animation.engines.portrait.rig.canvas import HEIGHT, ORIGIN, UNIT, WIDTH, Canvas, cut
from comps.animation.engines.portrait.rig.eyes import disc_votes, refine_iris
from comps.animation.engines.portrait.rig.faces import Face
from comps.animation.engines.portrait.rig.find import Anchors, find_anchors
from comps.animation.engines.portrait.rig.mesh import FaceMesh

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]

LEAST_VOTES = 0.15
"""Votes of an iris below which its place is not believed more than that of the pair."""
SYMMETRIC = 0.7
"""Likeness of both halves of a face from which its symmetry is believed."""
LEVEL_FROM = 0.6
"""The same, for the lean alone."""
LARGE = 0.13
"""Radius of an iris, in eye distances, from which it is a drawn one; those of photographs have 0.09."""
_AROUND = (int(0.24 * UNIT), int(0.15 * UNIT))
"""Half width and height, in canvas pixels, of the window in which an eye is centred."""
_RADII, _USUAL = np.array([0.08, 0.09, 0.10, 0.115, 0.15, 0.17, 0.19]), 4
"""Of irises, in eye distances: as many usual ones, then those of drawn ones."""
_NEAR_IRIS, _REACH, _DARKNESS = int(0.45 * UNIT), int(0.1 * UNIT), 0.004
"""Half of the square, in canvas pixels, in which they are looked for, and within which their centres lie; and by how much
the darkness inside counts against the rim."""
_SHADING = 0.6
"""Eye distances over which light changes that is no part of an eye (chosen on eight portraits)."""
_SMALLER, _MIDDLE = 8, 50.0
"""Canvas pixels per pixel in which the shading is seen; and the lightness, 0..100, that is then in its place."""
_MOUTH = (61, 291)
"""The corners of the mouth in a mesh."""
CENTRE, HALF = (0.0, 0.5), (0.82, 1.05)
"""Middle and half axes of the ellipse that counts as the face: from the forehead to just above the chin, without hair."""


@dataclass(frozen=True, slots=True)
class FaceView:
    """`picture` as it came, uint8 `[h, w, 3]` RGB, and `face` in it.

    `canvas` and `anchors` are of the picture with its brightness evened, so that a dark face is read like any other;
    `luma` float32 `[HEIGHT, WIDTH]`, 0..255, is the same cut of the picture as it came; `area` marks the face on both,
    inside the outline of its landmarks where there are any.
    `mesh` are the landmarks of the face, in the picture's pixels, where it was found by them.
    """

    picture: Picture
    face: Face
    canvas: Canvas
    anchors: Anchors
    luma: Plane
    area: Mask
    mesh: FaceMesh | None = None

    @property
    def mouth(self) -> tuple[float, float]:
        """The middle of the mouth (x, y)."""
        if self.mesh is None:
            return self.line
        return _placed(self.canvas.to_canvas(self.mesh.points[list(_MOUTH)]))

    @property
    def line(self) -> tuple[float, float]:
        """The middle (x, y) of the dark line that is taken for a mouth."""
        return _placed(self.anchors.line.points[[0, -1]])

    def box(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        """Rows and columns of the canvas between these places."""
        x0, x1 = (round(v * UNIT + ORIGIN[0]) for v in (left, right))
        y0, y1 = (round(v * UNIT + ORIGIN[1]) for v in (top, bottom))
        return slice(max(0, y0), max(1, y1)), slice(max(0, x0), max(1, x1))


def view(picture: Picture, evened: Picture, face: Face) -> FaceView:
    """The view of `face` in `picture`; `evened` is the picture in which it was found."""
    return _cut_out(picture, evened, _nearer(evened, face), None)


def mesh_view(picture: Picture, evened: Picture, mesh: FaceMesh) -> FaceView:
    """The view of the face with `mesh` in `picture`; `evened` is the picture in which it was found."""
    return _cut_out(picture, evened, face_of(mesh), mesh)


def _cut_out(picture: Picture, evened: Picture, face: Face, mesh: FaceMesh | None) -> FaceView:
    canvas = cut(evened, face.right_eye, face.left_eye)
    rgb = canvas.rgb if evened is picture else cut(picture, face.right_eye, face.left_eye).rgb
    luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    area = _ellipse() & canvas.inside
    if mesh is not None:
        area &= _outlined(canvas.to_canvas(mesh.points))
    return FaceView(picture, face, canvas, find_anchors(canvas), luma, area, mesh)


def _nearer(evened: Picture, face: Face) -> Face:
    """`face` with its eyes level with its own symmetry, then each iris found, to a pixel of the canvas if it is drawn and to a
    fraction of one else: every other measure hangs on the eyes."""
    degrees, likeness = lean(cut(evened, face.right_eye, face.left_eye))
    if likeness >= LEVEL_FROM:
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        half = np.array([[cos, -sin], [sin, cos]]) @ (face.left_eye - face.right_eye) / 2
        face = Face(face.centre - half, face.centre + half, face.score)
    canvas = cut(evened, face.right_eye, face.left_eye)
    places = [np.array([side * UNIT, 0.0]) + ORIGIN for side in (-0.5, 0.5)]
    unshaded = _unshaded(canvas.lightness)
    drawn = [_drawn_iris(unshaded, place) for place in places]
    if sum(lead for _, lead in drawn) > 0:
        irises = [iris for iris, _ in drawn]
    else:
        irises = [_centred(unshaded, place) for place in places]
    right, left = canvas.to_picture(np.stack(irises))
    return Face(right, left, face.score)


def _drawn_iris(lightness: Plane, place: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The iris near `place`, both (x, y) in canvas pixels, if it is as large as only drawn ones are; and by how many votes
    it shows better than one of usual size."""
    dark = _darkest(lightness, _darkest(lightness, place))
    left, top = (int(v) - _NEAR_IRIS for v in dark)
    window = lightness[top : top + 2 * _NEAR_IRIS, left : left + 2 * _NEAR_IRIS] * np.float32(2.55)
    within = slice(_NEAR_IRIS - _REACH, _NEAR_IRIS + _REACH)
    votes = disc_votes(window, _RADII * UNIT, _DARKNESS)[:, within, within]
    usual, large = votes[:_USUAL].max(0), votes[_USUAL:].max(0)
    row, column = np.unravel_index(int(large.argmax()), large.shape)
    iris = np.array([left + column, top + row], np.float64) + within.start
    return iris, float(large.max() - usual.max())


def _centred(lightness: Plane, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """The iris near `place` (x, y), in canvas pixels."""
    dark = _darkest(lightness, _darkest(lightness, place))
    iris, votes = refine_iris(lightness, dark, UNIT)
    # One larger than the search knows is found at a side of itself.
    return iris[:2] if votes >= LEAST_VOTES and iris[2] < LARGE * UNIT else dark


def _unshaded(lightness: Plane) -> Plane:
    """`lightness` about that of its surroundings: the shaded side of a socket is no part of an iris."""
    side = (WIDTH // _SMALLER, HEIGHT // _SMALLER)
    small = cv2.resize(lightness, side, interpolation=cv2.INTER_AREA)
    shading = cv2.GaussianBlur(small, (0, 0), _SHADING * UNIT / _SMALLER)
    return np.asarray(lightness - cv2.resize(shading, (WIDTH, HEIGHT)) + _MIDDLE, np.float32)


def _darkest(lightness: Plane, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """The centre of what is dark around `place`: iris and lashes."""
    left, top = int(place[0] - _AROUND[0]), int(place[1] - _AROUND[1])
    window = lightness[top : top + 2 * _AROUND[1] + 1, left : left + 2 * _AROUND[0] + 1]
    weight = np.clip(float(np.percentile(window, 35)) - window, 0, None)
    y, x = np.mgrid[top : top + window.shape[0], left : left + window.shape[1]]
    total = float(weight.sum())
    if total < 1:  # plain: there is nothing to centre on
        return place
    return np.array([float((weight * x).sum()) / total, float((weight * y).sum()) / total])


def _placed(points: NDArray[np.float64]) -> tuple[float, float]:
    """The middle of canvas `points` `[n, 2]` from between the eyes, in eye distances."""
    x, y = points.mean(0)
    return float(x - ORIGIN[0]) / UNIT, float(y - ORIGIN[1]) / UNIT


def _outlined(points: NDArray[np.float64]) -> Mask:
    """What lies inside the outline of canvas `points` `[n, 2]`: beside the far cheek of a turned head there is hair."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points).astype(np.int32)), 1)
    return mask > 0


def _ellipse() -> Mask:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    across = ((x - ORIGIN[0]) / UNIT - CENTRE[0]) / HALF[0]
    down = ((y - ORIGIN[1]) / UNIT - CENTRE[1]) / HALF[1]
    return np.asarray(across * across + down * down < 1)
