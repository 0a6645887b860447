"""What the face does: how far the mouth is open, how broadly it smiles, and whether the eyes are open."""

from __future__ import annotations

import cv2
import numpy as np

from comps.animation.coach.image.view import FaceView
from comps.animation.engines.portrait.rig.canvas import UNIT

FACE_HEIGHT = 1.98
"""From the brows to the chin, in eye distances (mean face)."""
_CAVITY = 0.45
"""Lightness of the inside of a mouth, as a share of the lightness around it, at most."""
_AROUND = int(0.9 * UNIT)
"""Side of the square around a place that it is compared with, in canvas pixels."""
_CHIN, _LOWEST = 1.55, 2.1
"""How far below the eyes the chin lies (mean face), above which the inside of a mouth begins; and how far down that can
reach, wide open in a head turned away, which brings the eyes together. In eye distances."""
_OFF = 0.35
"""How far the inside of a mouth may lie aside from where the mouth line was seen, in eye distances."""


def mouth_open(view: FaceView) -> float:
    """Height of the dark inside of the mouth over the height of the face, brows to chin; teeth do not count."""
    light = view.canvas.lightness
    around = cv2.blur(light, (_AROUND, _AROUND))
    rows, columns = view.box(-0.85, 0.7, 0.85, _LOWEST)
    dark = (light < _CAVITY * around)[rows, columns].astype(np.uint8)
    chin = (_CHIN - 0.7) * UNIT
    count, labels, stats, centres = cv2.connectedComponentsWithStats(dark)
    middle = (0.85 + view.mouth[0]) * UNIT
    half, most = int(0.08 * UNIT), 0.0
    for part in range(1, count):
        left, top, width, height, _ = stats[part]
        # What reaches the border is hair, a collar or the shadow on the neck, which may also begin at the chin.
        inside = left > 0 and 0 < top < chin and left + width < dark.shape[1] and top + height < dark.shape[0]
        x = int(centres[part][0])
        if inside and min(abs(x - middle), abs(x - 0.85 * UNIT)) < _OFF * UNIT:
            most = max(most, float(np.median((labels[:, max(0, x - half) : x + half] == part).sum(0))))
    return most / UNIT / (FACE_HEIGHT * max(1.0, 0.92 * view.mouth[1]))


def mouth_width(view: FaceView) -> float:
    """Distance of the corners of the mouth in eye distances."""
    ends = view.anchors.line.points[[0, -1]]
    return float(np.linalg.norm(ends[1] - ends[0])) / UNIT


def mouth_curve(view: FaceView) -> float:
    """How much higher the corners of the mouth lie than its middle, in eye distances: positive in a smile."""
    points = view.anchors.line.points / UNIT
    count = len(points)
    middle = points[int(0.4 * count) : int(0.6 * count) + 1, 1].mean()
    return float(middle - (points[: max(1, count // 10), 1].mean() + points[-max(1, count // 10) :, 1].mean()) / 2)
