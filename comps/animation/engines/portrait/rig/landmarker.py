"""Rigs by MediaPipe's face landmarker: 478 points mapped to the 68 of a rig, for faces that classical vision misses."""

from __future__ import annotations

import threading
from pathlib import Path

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.rig import POINTS, Rig
from comps.animation.engines.portrait.rig.subject import check_size, choose
from comps.core.errors import EngineUnavailableError

Landmarks = NDArray[np.float64]

MAPPING: tuple[tuple[int, ...], ...] = (
    (127,), (234,), (93,), (132,), (58,), (172,), (136, 150), (149, 176), (152,),
    (378, 400), (365, 379), (397,), (288,), (361,), (323,), (454,), (356,),
    (70, 46), (63, 53), (105, 52), (66, 65), (107, 55), (336, 285), (296, 295), (334, 282), (293, 283), (300, 276),
    (168,), (197,), (5,), (4,), (64, 98), (97,), (2,), (326,), (294, 327),
    (33,), (160,), (158,), (133,), (153,), (144,), (362,), (385,), (387,), (263,), (373,), (380,),
    (61,), (39, 40), (37,), (0,), (267,), (269, 270), (291,), (321, 405), (314,), (17,), (84,), (181, 91),
    (78,), (81,), (13,), (311,), (308,), (402,), (14,), (178,),
)  # fmt: skip
"""For each iBUG point the landmarks whose mean it is: a brow's point lies between its upper and lower edge."""

_IRISES = ((468, (469, 470, 471, 472)), (473, (474, 475, 476, 477)))
"""Right then left: the centre and the four points of the rim."""
_FOREHEAD = 10
_MOST_FACES = 4


class MediaPipeFinder:
    """Finds rigs with the landmarker file `path`; may be used from any thread.

    Raises:
        EngineUnavailableError: the file is missing.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise EngineUnavailableError(f"the face landmarker '{path.name}' does not exist")
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=path.read_bytes()), num_faces=_MOST_FACES
        )
        self._landmarker = vision.FaceLandmarker.create_from_options(options)
        self._lock = threading.Lock()

    def find(self, picture: NDArray[np.uint8]) -> Rig:
        """The rig of the face in `picture`, uint8 `[h, w, 3]` RGB; raises FaceError as `find_rig` does."""
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(picture))
        with self._lock:
            result = self._landmarker.detect(image)
        height, width = picture.shape[:2]
        size = np.array([width, height])
        faces = [np.array([[p.x, p.y] for p in face]) * size for face in result.face_landmarks]
        landmarks = choose(faces, [_eye_distance(face) for face in faces])
        check_size(_eye_distance(landmarks))
        return rig_of(landmarks, (width, height))


def rig_of(landmarks: Landmarks, size: tuple[int, int]) -> Rig:
    """The rig of 478 landmarks `[478, 2]` in the pixels of a picture of `size` (width, height)."""
    points = np.array([landmarks[list(group)].mean(0) for group in MAPPING])
    irises = [
        [*landmarks[centre], float(np.linalg.norm(landmarks[list(rim)] - landmarks[centre], axis=1).mean())]
        for centre, rim in _IRISES
    ]
    # The mesh ends at the hair line; the top of the skull is about twice as high above the eyes.
    eyes = (landmarks[_IRISES[0][0]] + landmarks[_IRISES[1][0]]) / 2
    return Rig(
        size=size,
        points=points.astype(np.float32),
        irises=np.array(irises, np.float32),
        crown=(eyes + 2.0 * (landmarks[_FOREHEAD] - eyes)).astype(np.float32),
        confidence=np.full(POINTS, 0.95, np.float32),
        source="mediapipe",
    )


def _eye_distance(landmarks: Landmarks) -> float:
    return float(np.linalg.norm(landmarks[_IRISES[1][0]] - landmarks[_IRISES[0][0]]))
