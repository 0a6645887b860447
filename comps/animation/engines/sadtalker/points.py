"""Landmarks: the 68 points of a face, by the networks SadTalker was trained with where their weights are, else the
avatar's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.faces import landmarks98, retinaface
from comps.animation.faces.face import FaceDetector, Picture
from comps.animation.faces.haar import HaarDetector
from comps.animation.faces.landmarks98 import Landmarks98, to_68
from comps.animation.faces.retinaface import RetinaFaceDetector
from comps.animation.faces.retinaface_network import RetinaFaceNetwork
from comps.animation.neural.checkpoint import fill, read_state_dict

Points = NDArray[np.float32]


class FacePoints:
    """Finds the 68 landmarks of the best face of a picture. `source` says by which means; blocks.

    Args:
        detector: gives 68 or 98 points with each face.
        source: for the log.
        trusts_rig: whether an avatar's rig is as good as what the detector finds; then the rig is used.
    """

    def __init__(self, detector: FaceDetector, source: str, trusts_rig: bool) -> None:
        self._detector = detector
        self._trusts_rig = trusts_rig
        self.source = source

    @classmethod
    def load(cls, models: Path, device: torch.device) -> FacePoints:
        """RetinaFace and the 98-point network when both files are in `models`; else the rig, and Haar cascades for
        the pictures of a video.

        Raises:
            EngineUnavailableError: a file is there but cannot be used.
        """
        boxes, points = models / retinaface.FILE, models / landmarks98.FILE
        if not (boxes.is_file() and points.is_file()):
            return cls(HaarDetector(landmarks=True), "the avatar's rig", trusts_rig=True)
        with torch.device("meta"):
            network = RetinaFaceNetwork()
        network = fill(network, read_state_dict(boxes), str(boxes)).to(device)
        detector = Landmarks98.load(RetinaFaceDetector(network), points, str(device))
        return cls(detector, "RetinaFace and 98 landmarks", trusts_rig=False)

    def of_avatar(self, picture: Picture, rig: Path) -> Points:
        """Of an avatar's `picture`, RGB uint8 `[h, w, 3]`, with its rig's file; float32 `[68, 2]` in pixels."""
        found = None if self._trusts_rig else self.find(picture)
        return Rig.load(rig).points if found is None else found

    def again(self, picture: Picture, known: Points) -> Points:
        """Of a cut-out face whose points are `known` from the whole picture: looked at closely, where that can be done."""
        found = None if self._trusts_rig else self.find(picture)
        return known if found is None else found

    def find(self, picture: Picture) -> Points | None:
        """Of the best face on a picture, float32 `[68, 2]`, or None when it shows none."""
        faces = self._detector.detect([picture])[0]
        points = faces[0].points if faces else None
        if points is None:
            return None
        return to_68(points) if len(points) == 98 else points
