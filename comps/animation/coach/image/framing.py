"""How the face sits in its picture."""

from __future__ import annotations

import numpy as np

from comps.animation.coach.image.view import FaceView
from comps.animation.engines.portrait.rig.canvas import ORIGIN, UNIT

SIDE, ABOVE, UNDER_MOUTH = 0.8, 0.45, 0.6
"""What must be seen of a face, in eye distances: to each side of the middle, above the eyes, below the mouth."""


def face_share(view: FaceView) -> float:
    """Eye distance, of a head seen from the front, as percent of the picture's longer side."""
    unit = view.face.eye_distance * max(1.0, 0.92 * view.mouth[1])
    return float(100 * unit / max(view.picture.shape[:2]))


def room(view: FaceView) -> float:
    """Distance in eye distances from the face, brows to chin and cheek to cheek, to the nearest border of the picture;
    negative when a part of the face is cut off."""
    spots = np.array([[-SIDE, 0.5], [SIDE, 0.5], [0.0, -ABOVE], [view.mouth[0], view.mouth[1] + UNDER_MOUTH]])
    placed = view.canvas.to_picture(spots * UNIT + np.array(ORIGIN))
    height, width = view.picture.shape[:2]
    pixels = np.concatenate([placed, np.array([width, height]) - 1 - placed]).min()
    return float(pixels) / view.face.eye_distance
