"""HaarDetector: faces by the cascades that come with OpenCV, nothing to download."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from comps.animation.engines.portrait.rig.faces import Face, find_faces
from comps.animation.engines.portrait.rig.find import fit_rig
from comps.animation.faces.face import DetectedFace, FaceDetector, Picture, Points

HALF_WIDTH, ABOVE, BELOW = 1.05, 0.9, 1.85
"""A tight box around a face, in eye distances from the point between the irises: to each side, up, down to the chin."""


class HaarDetector(FaceDetector):
    """Frontal faces with a convincing pair of eyes; `score` is how eye-like the pair is, 0.7 to about 2.

    Args:
        landmarks: fit 68 points to each face too (0.1 s); without them `points` is None.
    """

    def __init__(self, *, landmarks: bool = False) -> None:
        self._landmarks = landmarks

    def detect(self, pictures: Sequence[Picture]) -> list[list[DetectedFace]]:
        """See `FaceDetector.detect`."""
        return [self._detect(picture) for picture in pictures]

    def _detect(self, picture: Picture) -> list[DetectedFace]:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8)
        found = []
        for face in find_faces(grey):
            points = fit_rig(picture, face).points if self._landmarks else None
            found.append(DetectedFace(_box(face), face.score, points))
        return found


def _box(face: Face) -> Points:
    across = (face.left_eye - face.right_eye) / 2
    down = np.array([-across[1], across[0]])
    centre = face.centre + down * (BELOW - ABOVE)
    half = np.array([HALF_WIDTH, (ABOVE + BELOW) / 2]) * face.eye_distance
    return np.concatenate([centre - half, centre + half]).astype(np.float32)
