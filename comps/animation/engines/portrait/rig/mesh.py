"""FaceMesh: the 478 landmarks of MediaPipe's face mesh, and the rig that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.rig import POINTS, Rig

Landmarks = NDArray[np.float64]

LANDMARKS = 478
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

IRISES = ((468, (469, 470, 471, 472)), (473, (474, 475, 476, 477)))
"""Right then left: the centre and the four points of the rim."""
_FOREHEAD = 10


@dataclass(frozen=True, slots=True)
class FaceMesh:
    """One face: `points` float64 `[478, 2]` in picture pixels, and `shapes`, how strongly each of ARKit's blend shapes
    shows, 0..1 by name; empty where they were not asked for."""

    points: Landmarks
    shapes: Mapping[str, float] = field(default_factory=dict)

    @property
    def eyes(self) -> Landmarks:
        """The iris centres `[2, 2]`, right then left."""
        return np.asarray(self.points[[centre for centre, _ in IRISES]], np.float64)

    @property
    def eye_distance(self) -> float:
        """Distance between the irises in picture pixels."""
        return float(np.linalg.norm(self.eyes[1] - self.eyes[0]))

    def mapped(self, matrix: NDArray[np.float64]) -> FaceMesh:
        """The same face after the affine `matrix` `[2, 3]`."""
        return FaceMesh(self.points @ matrix[:, :2].T + matrix[:, 2], self.shapes)


FindMeshes = Callable[[NDArray[np.uint8]], tuple[FaceMesh, ...]]
"""The faces in a picture, uint8 `[h, w, 3]` RGB; blocks."""


def features_of(points: Landmarks) -> Landmarks:
    """The 68 iBUG points `[68, 2]` of 478 landmarks `[478, 2]`."""
    return np.array([points[list(group)].mean(0) for group in MAPPING])


def rig_of(landmarks: Landmarks, size: tuple[int, int]) -> Rig:
    """The rig of 478 landmarks `[478, 2]` in the pixels of a picture of `size` (width, height)."""
    irises = [
        [*landmarks[centre], float(np.linalg.norm(landmarks[list(rim)] - landmarks[centre], axis=1).mean())]
        for centre, rim in IRISES
    ]
    # The mesh ends at the hair line; the top of the skull is about twice as high above the eyes.
    eyes = (landmarks[IRISES[0][0]] + landmarks[IRISES[1][0]]) / 2
    return Rig(
        size=size,
        points=features_of(landmarks).astype(np.float32),
        irises=np.array(irises, np.float32),
        crown=(eyes + 2.0 * (landmarks[_FOREHEAD] - eyes)).astype(np.float32),
        confidence=np.full(POINTS, 0.95, np.float32),
        source="mediapipe",
    )
