"""What a face detector is: pictures in, faces out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]

_FIVE: dict[int, tuple[tuple[int, ...], ...]] = {
    5: ((0,), (1,), (2,), (3,), (4,)),
    68: (tuple(range(36, 42)), tuple(range(42, 48)), (30,), (48,), (54,)),
    98: ((96,), (97,), (54,), (76,), (82,)),
    478: ((468,), (473,), (4,), (61,), (291,)),
}
"""For each number of points those whose means are the eye centres, the nose tip and the mouth corners."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectedFace:
    """A face in picture pixels; every detector's box is tight: forehead to chin, cheek to cheek.

    `box` is float32 `[4]`: x1, y1, x2, y2. `score` grows with confidence; its scale is the detector's. `points` is
    float32 `[n, 2]` with n = 5 (RetinaFace's order), 68 (iBUG), 98 (WFLW) or 478 (MediaPipe), or None when the
    detector gives boxes only.
    """

    box: Points
    score: float
    points: Points | None = None

    @property
    def centre(self) -> Points:
        """The middle (x, y) of the box."""
        middle: Points = (self.box[:2] + self.box[2:]) / np.float32(2)
        return middle

    @property
    def area(self) -> float:
        """Square pixels of the box."""
        width, height = self.box[2:] - self.box[:2]
        return float(width * height)

    def five_points(self) -> Points:
        """Eyes, nose tip, mouth corners, `[5, 2]`, each pair from the picture's left; raises ValueError without points."""
        if self.points is None or len(self.points) not in _FIVE:
            count = 0 if self.points is None else len(self.points)
            raise ValueError(f"a face with {count} points has no eyes, nose and mouth corners")
        return np.stack([self.points[list(group)].mean(0) for group in _FIVE[len(self.points)]]).astype(np.float32)


class FaceDetector(ABC):
    """Finds faces. `detect` blocks, and may be called from any thread."""

    @abstractmethod
    def detect(self, pictures: Sequence[Picture]) -> list[list[DetectedFace]]:
        """The faces of each picture, best first; a picture without any has an empty list.

        Args:
            pictures: RGB uint8 `[h, w, 3]` each; sizes may differ.
        """
