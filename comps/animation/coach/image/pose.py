"""Which way the head is turned, in degrees, from what is sure of a face without a network.

Yaw moves the borders of the face, which lie well behind the eyes, against the eyes, and nose and mouth, which lie before
them, to the other side; pitch changes how far nose and mouth lie below them; roll is the slope of the eye line.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.coach.image.profile import profile_side
from comps.animation.coach.image.symmetry import best_axis
from comps.animation.coach.image.view import SYMMETRIC, FaceView
from comps.animation.engines.portrait.rig.canvas import ORIGIN, UNIT, Canvas
from comps.animation.engines.portrait.rig.contours import unlike_skin
from comps.animation.engines.portrait.rig.fit import fit_face

OUTLINE_DEPTH = 0.85
"""How far behind the eyes the borders of the face lie at the height of nose and cheeks, in eye distances (mean face)."""
AXIS_DEPTH = 0.39
"""How far before the eyes nose and lips lie on average, in eye distances (mean face)."""
_LEVELS = np.arange(0.25, 0.95, 0.1)
_NEAR, _FAR = 0.45, 1.6
"""Where the border of the face is looked for, in eye distances from the middle."""
_NOT_SKIN = 0.8
_STRAIGHT = 10.0
"""Degrees up to which a head looks straight ahead."""
_FAR_FROM, _FAR_GAIN = 24.0, 1.25
"""Degrees from which the far cheek hides the border of the face, where it passes for one from that side alone; and by how
much more than is seen the head is turned then."""
_ASIDE = 0.195
"""Eye distances by which nose and mouth must lie aside to be believed against borders that tell a head looking straight
ahead: hair, an ear or paint on a cheek can hide them."""
_AXIS_ASIDE, _FAR_ASIDE, _FOLLOWED = 0.2, 0.1, 0.5
"""Eye distances by which their axis and their places must lie aside to be believed against any borders; and the part of
such a turn, of 35 degrees and more, that the places follow, as they are looked for below the eyes."""
_PITCH_SPREAD, _PITCH_LEVEL = 0.35, 8.0
"""Spread in radians, and the reading in degrees of heads that look straight ahead."""


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Degrees: `yaw` positive to the viewer's right, `pitch` positive down, `roll` positive leaning to the viewer's right."""

    yaw: float
    pitch: float
    roll: float


def head_pose(view: FaceView) -> HeadPose:
    """The pose of the head in `view`."""
    across = view.face.left_eye - view.face.right_eye
    return HeadPose(_yaw(view), _pitch(view), float(np.degrees(np.arctan2(across[1], across[0]))))


def _pitch(view: FaceView) -> float:
    anchors = view.anchors
    fit = fit_face(anchors.irises[:, :2], anchors.line.points[[0, -1]], anchors.nose, _PITCH_SPREAD)
    return float(np.degrees(fit.pose.pitch)) - _PITCH_LEVEL


def _yaw(view: FaceView) -> float:
    seen, side = _seen_yaw(view), profile_side(view.canvas)
    aside = _aside(view)
    if side and side == np.sign(aside):
        if side * symmetry_axis(view.canvas)[0] > _AXIS_ASIDE and abs(aside) > _FAR_ASIDE:
            return _angle(aside / AXIS_DEPTH / _FOLLOWED)
        if abs(seen) <= _STRAIGHT and abs(aside) > _ASIDE:
            return _angle(aside / AXIS_DEPTH)
    return _FAR_GAIN * seen if abs(seen) > _FAR_FROM and side == np.sign(seen) else seen


def _aside(view: FaceView) -> float:
    """How far nose and mouth lie to the right of the middle, in eye distances: that of the two which lies less aside; 0
    where they disagree."""
    places = view.mouth[0], float(view.anchors.nose[0] - ORIGIN[0]) / UNIT
    return min(places, key=abs) if places[0] * places[1] > 0 else 0.0


def _seen_yaw(view: FaceView) -> float:
    shift = outline_shift(view.canvas)
    if shift is None:
        return _angle(view.mouth[0] / AXIS_DEPTH)
    outline = -_angle(shift / OUTLINE_DEPTH)
    axis, likeness = symmetry_axis(view.canvas)
    if likeness < SYMMETRIC:
        return outline
    return 0.5 * outline + 0.5 * _angle(axis / AXIS_DEPTH)


def _angle(sine: float) -> float:
    return float(np.degrees(np.arcsin(np.clip(sine, -1, 1))))


def outline_shift(canvas: Canvas) -> float | None:
    """How far the middle between the face's borders lies right of the middle between the eyes, in eye distances; None where
    at most heights neither border is found, since hair, neck and wall are alike to skin."""
    x, y = ORIGIN
    cheeks = np.array([[-0.45, 0.55], [0.45, 0.55], [0.0, 0.3], [-0.3, 0.75], [0.3, 0.75]]) * UNIT + (x, y)
    other = cv2.blur(unlike_skin(canvas, cheeks), (7, 9))
    reach = np.arange(int(_NEAR * UNIT), int(_FAR * UNIT))
    middles = []
    for level in _LEVELS:
        row = other[int(y + level * UNIT)]
        ends = [_first(row[np.clip(x + side * reach, 0, len(row) - 1).astype(int)]) for side in (-1, 1)]
        middles.append((ends[1] - ends[0]) / 2 / UNIT if min(ends) < len(reach) else np.nan)
    unseen = np.isnan(middles).mean()
    return None if unseen > 0.5 else float(np.nanmedian(middles))


def _first(values: NDArray[np.float32]) -> int:
    found = np.flatnonzero(values > _NOT_SKIN)
    return int(found[0]) if len(found) else len(values)


def symmetry_axis(canvas: Canvas) -> tuple[float, float]:
    """Where the axis of nose and mouth lies, right of the middle between the eyes in eye distances, and how alike its two
    sides are, up to 1."""
    top, bottom = (int(ORIGIN[1] + v * UNIT) for v in (0.2, 1.4))
    smooth = cv2.GaussianBlur(canvas.lightness[top:bottom], (0, 0), 3)[::2].astype(np.float32)
    column, likeness = best_axis(smooth, int(ORIGIN[0]), int(0.45 * UNIT), UNIT // 2, step=3)
    return (column - ORIGIN[0]) / UNIT, likeness
