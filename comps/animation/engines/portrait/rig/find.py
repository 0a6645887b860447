"""find_rig: from one picture to the feature points of its face."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.canvas import ORIGIN, UNIT, Canvas, cut
from comps.animation.engines.portrait.rig.contours import brow, eye_place, jaw, lips, unlike_skin, upper_lid
from comps.animation.engines.portrait.rig.eyes import refine_iris
from comps.animation.engines.portrait.rig.faces import Face, find_faces
from comps.animation.engines.portrait.rig.fit import fit_face
from comps.animation.engines.portrait.rig.mouth import MouthLine, mouth_centre, mouth_line, opening
from comps.animation.engines.portrait.rig.nose import nostrils
from comps.animation.engines.portrait.rig.rig import POINTS, Rig
from comps.animation.engines.portrait.rig.shape import CROWN
from comps.animation.engines.portrait.rig.subject import check_size, choose

Points = NDArray[np.float64]
Confidence = NDArray[np.float64]


def find_rig(picture: NDArray[np.uint8]) -> Rig:
    """The rig of the face in `picture`, uint8 `[h, w, 3]` RGB.

    Raises:
        FaceError: there is no face, more than one, or one too small; the message says what to do.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8)
    faces = find_faces(grey)
    face = choose(faces, [face.eye_distance for face in faces])
    check_size(face.eye_distance)
    return fit_rig(picture, face)


@dataclass(frozen=True, slots=True)
class Anchors:
    """What is sure of a face, in canvas pixels: `irises` float64 `[2, 3]` (x, y, radius), right then left; the line
    between the lips; the underside of the nose `[2]`; and how clearly mouth and nose show, 0..1."""

    irises: Points
    line: MouthLine
    nose: Points
    mouth_clarity: float
    nose_clarity: float


def fit_rig(picture: NDArray[np.uint8], face: Face) -> Rig:
    """The rig of one `face` that was found in `picture`, uint8 `[h, w, 3]` RGB."""
    canvas = cut(picture, face.right_eye, face.left_eye)
    return rig_on(canvas, find_anchors(canvas), (picture.shape[1], picture.shape[0]))


def find_anchors(canvas: Canvas) -> Anchors:
    """The sure features of the face on `canvas`."""
    expected = np.array([[-0.5, 0.0], [0.5, 0.0]]) * UNIT + np.array(ORIGIN)
    irises = np.stack([refine_iris(canvas.lightness, place, UNIT)[0] for place in expected])
    centre, mouth_clarity = mouth_centre(canvas)
    line = mouth_line(canvas, centre)
    nose, nose_clarity = nostrils(canvas, line.points[[0, -1]].mean(0))
    return Anchors(irises, line, nose, mouth_clarity, nose_clarity)


def rig_on(canvas: Canvas, anchors: Anchors, size: tuple[int, int]) -> Rig:
    """The rig of the face with `anchors` on `canvas`, in pixels of its picture, whose `size` is (width, height)."""
    points, confidence = _features(canvas, anchors)
    placed = canvas.to_picture(points)
    irises = anchors.irises
    rims = np.concatenate([canvas.to_picture(irises[:, :2]), irises[:, 2:] / canvas.zoom], 1)
    return Rig(
        size=size,
        points=placed[:POINTS].astype(np.float32),
        irises=rims.astype(np.float32),
        crown=placed[CROWN].astype(np.float32),
        confidence=confidence.astype(np.float32),
        source="haar",
    )


def _features(canvas: Canvas, anchors: Anchors) -> tuple[Points, Confidence]:
    """Points `[71, 2]` and confidence `[68]`, in canvas pixels: the mean face fitted to the sure features, then each
    outline looked for near where that face has it."""
    line = anchors.line
    points = fit_face(anchors.irises[:, :2], line.points[[0, -1]], anchors.nose).points
    confidence = np.full(POINTS, 0.3 + 0.5 * anchors.nose_clarity)
    _place_mouth(canvas, points, confidence, line)
    confidence[60:68] *= anchors.mouth_clarity
    for start in (17, 22):
        points[start : start + 5], confidence[start : start + 5] = brow(canvas, points[start : start + 5])
    cheeks = np.concatenate([points[[2, 14]] * 0.7 + points[[30, 30]] * 0.3, points[31:36], points[[48, 54, 39, 42]]])
    other = unlike_skin(canvas, cheeks)
    for start in (36, 42):
        _place_eye(canvas, points[start : start + 6], confidence[start : start + 6], other)
    points[:17], confidence[:17] = jaw(canvas, points[:17], cheeks)
    return points, confidence


def _place_eye(canvas: Canvas, points: Points, confidence: Confidence, other: NDArray[np.float32]) -> None:
    """Move one eye `[6, 2]` in place; the lower lid is as sure as the upper one."""
    points[:] = eye_place(canvas, points, other)
    points[:4], confidence[:4] = upper_lid(canvas, points[:4])
    confidence[4:] = confidence[:4].mean()


def _place_mouth(canvas: Canvas, points: Points, confidence: Confidence, line: MouthLine) -> None:
    """Put the corners and the inner outline on the mouth line, and the outer outline on the edge of the lips."""
    gap = opening(canvas, line)
    points[[48, 54]] = line.points[[0, -1]]
    # The fitted face has its mouth shut: an open one carries its lower lip further down.
    points[55:60, 1] += np.interp(points[55:60, 0], line.points[:, 0], gap)
    points[48:60], confidence[48:60] = lips(canvas, points[48:60])
    confidence[[48, 54]] = line.corners
    confidence[60:68] = line.clarity
    _place_inner_lips(points, line, gap)


def _place_inner_lips(points: Points, line: MouthLine, gap: NDArray[np.float64]) -> None:
    """Put the inner outline on the mouth line, its lower half `gap` pixels below."""
    for upper, lower in ((61, 67), (62, 66), (63, 65)):
        x = (points[upper, 0] + points[lower, 0]) / 2
        y = np.interp(x, line.points[:, 0], line.points[:, 1])
        points[upper] = x, y - 0.008 * UNIT
        points[lower] = x, y + max(0.008 * UNIT, np.interp(x, line.points[:, 0], gap))
    points[60] = 0.9 * points[48] + 0.1 * points[61]
    points[64] = 0.9 * points[54] + 0.1 * points[63]
