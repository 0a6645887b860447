"""find_rig: from one picture to the feature points of its face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.canvas import ORIGIN, UNIT, cut
from comps.animation.engines.portrait.rig.faces import find_faces
from comps.animation.engines.portrait.rig.mouth import mouth_row
from comps.animation.engines.portrait.rig.rig import POINTS, Rig
from comps.animation.engines.portrait.rig.shape import CROWN, LEFT_IRIS, MEAN, RIGHT_IRIS
from comps.animation.engines.portrait.rig.subject import check_size, choose


def find_rig(picture: NDArray[np.uint8]) -> Rig:
    """The rig of the face in `picture`, uint8 `[h, w, 3]` RGB.

    Raises:
        FaceError: there is no face, more than one, or one too small; the message says what to do.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8)
    faces = find_faces(grey)
    face = choose(faces, [face.eye_distance for face in faces])
    check_size(face.eye_distance)
    canvas = cut(picture, face.right_eye, face.left_eye)
    iris = (MEAN[LEFT_IRIS] - MEAN[RIGHT_IRIS])[0]
    line = (mouth_row(canvas) - ORIGIN[1]) / UNIT * iris
    shape = MEAN[:, :2].copy()
    shape[:, 1] -= MEAN[RIGHT_IRIS, 1]
    # The lower face is stretched so that the mean's mouth lies on the line found.
    below = np.clip(shape[:, 1] / (MEAN[62, 1] - MEAN[RIGHT_IRIS, 1]), 0, None)
    shape[:, 1] += np.minimum(below, 1.3) * (line - (MEAN[62, 1] - MEAN[RIGHT_IRIS, 1]))
    points = canvas.to_picture(shape / iris * UNIT + np.array(ORIGIN))
    radius = 0.093 * face.eye_distance
    irises = np.array([[*points[RIGHT_IRIS], radius], [*points[LEFT_IRIS], radius]])
    height, width = picture.shape[:2]
    return Rig(
        size=(width, height),
        points=points[:POINTS].astype(np.float32),
        irises=irises.astype(np.float32),
        crown=points[CROWN].astype(np.float32),
        confidence=np.full(POINTS, 0.5, np.float32),
        source="haar",
    )
