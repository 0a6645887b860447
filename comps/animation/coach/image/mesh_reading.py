"""What a face mesh tells of a face: lids, lips and smile."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.coach.image.expression import FACE_HEIGHT
from comps.animation.engines.portrait.rig.canvas import Canvas
from comps.animation.engines.portrait.rig.mesh import FaceMesh

Points = NDArray[np.float64]

SHUT_GAP, SHUT_BLINK = 0.15, 0.4
"""Height of an open eye over its width, at least, and its blend shape `eyeBlink`, at most."""
COVERED = 0.3
"""Lightness of the lightest part between the lids, over that of the cheek below, up to which something dark covers the eye."""
_LIDS = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
"""Right then left eye: from the outer corner along the lower lid and back along the upper one."""
_INNER_CORNER, _LOWER, _UPPER = 8, 4, 12
_CHEEKS = ((116, 117, 118, 50), (345, 346, 347, 280))
_BLINKS = ("eyeBlinkRight", "eyeBlinkLeft")
_LIPS = (13, 14)
"""The middle of the upper and of the lower lip's inner edge."""
_CORNERS, _MIDDLE = (61, 291), (13, 14)
_LEAST_PIXELS = 12


def open_eyes(mesh: FaceMesh, canvas: Canvas) -> int:
    """How many eyes are open and uncovered; `canvas` is cut from the picture of `mesh`."""
    points = canvas.to_canvas(mesh.points)
    return sum(_lids_open(points, mesh, side) and _uncovered(points, canvas, side) for side in (0, 1))


def lip_gap(mesh: FaceMesh, unit: float) -> float:
    """Distance of the lips, teeth counted, over the height of the face, brows to chin.

    Args:
        mesh: the face.
        unit: its eye distance, seen from the front, in pixels.
    """
    upper, lower = mesh.points[list(_LIPS)]
    return float(np.linalg.norm(lower - upper)) / (FACE_HEIGHT * unit)


def lip_curve(mesh: FaceMesh, canvas: Canvas, unit: float) -> float:
    """How much higher the corners of the mouth lie than its middle, in eye distances: positive in a smile."""
    points = canvas.to_canvas(mesh.points)
    lift = points[list(_MIDDLE), 1].mean() - points[list(_CORNERS), 1].mean()
    return float(lift / (unit * canvas.zoom))


def smile(mesh: FaceMesh) -> float | None:
    """How broadly the face smiles, 0 to 1; None where blend shapes were not told."""
    return _mean_shape(mesh, "mouthSmile")


def frown(mesh: FaceMesh) -> float | None:
    """How far the corners of the mouth are drawn down, 0 to 1; None where blend shapes were not told."""
    return _mean_shape(mesh, "mouthFrown")


def _mean_shape(mesh: FaceMesh, name: str) -> float | None:
    if not mesh.shapes:
        return None
    return sum(mesh.shapes.get(f"{name}{side}", 0.0) for side in ("Left", "Right")) / 2


def _lids_open(points: Points, mesh: FaceMesh, side: int) -> bool:
    lids = points[list(_LIDS[side])]
    width = float(np.linalg.norm(lids[_INNER_CORNER] - lids[0]))
    gap = float(np.linalg.norm(lids[_UPPER] - lids[_LOWER])) / max(width, 1e-6)
    return gap >= SHUT_GAP and mesh.shapes.get(_BLINKS[side], 0.0) <= SHUT_BLINK


def _uncovered(points: Points, canvas: Canvas, side: int) -> bool:
    between, cheek = (_lightness(points[list(ring[side])], canvas) for ring in (_LIDS, _CHEEKS))
    if min(len(between), len(cheek)) < _LEAST_PIXELS:
        return False
    return float(np.percentile(between, 95)) >= COVERED * float(np.median(cheek))


def _lightness(ring: Points, canvas: Canvas) -> NDArray[np.float32]:
    """Lightness of the pixels inside `ring` `[n, 2]`."""
    mask = np.zeros(canvas.lightness.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(ring).astype(np.int32)], 1)
    return canvas.lightness[mask > 0]
