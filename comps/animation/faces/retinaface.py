"""RetinaFaceDetector: boxes and five points by RetinaFace, for users who supply `detection_Resnet50_Final.pth`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from math import ceil
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from comps.animation.faces.face import DetectedFace, FaceDetector, Picture
from comps.animation.faces.retinaface_network import ANCHORS, POINTS, STRIDES, RetinaFaceNetwork
from comps.animation.faces.suppression import suppress
from comps.animation.neural.checkpoint import fill, read_state_dict

FILE = "detection_Resnet50_Final.pth"
"""What the weights are called where they are published."""
MEAN = (104.0, 117.0, 123.0)
"""Of blue, green and red, taken off before the network sees a picture."""
LEAST_SCORE, OVERLAP = 0.97, 0.4
MAX_SIDE = 1536
"""Pixels; a longer picture is searched in a smaller copy, so that memory is bounded."""
_CENTRE_VARIANCE, _SIZE_VARIANCE = 0.1, 0.2

Floats = NDArray[np.float32]


class RetinaFaceDetector(FaceDetector):
    """Faces with the eyes, the nose tip and the mouth corners; `score` is a probability.

    Args:
        network: with its weights, in eval mode, on the device it shall run on.
        least_score: below it nothing is a face.
        overlap: intersection over union above which two boxes are one face.
        batch: pictures of one size searched at once.
    """

    def __init__(
        self, network: RetinaFaceNetwork, *, least_score: float = LEAST_SCORE, overlap: float = OVERLAP, batch: int = 4
    ) -> None:
        self._network = network
        self._least_score = least_score
        self._overlap = overlap
        self._batch = batch

    @classmethod
    def load(cls, weights: Path, device: str = "cpu", *, least_score: float = LEAST_SCORE) -> RetinaFaceDetector:
        """With the published weights; raises EngineUnavailableError when the file cannot be used."""
        with torch.device("meta"):
            network = RetinaFaceNetwork()
        return cls(fill(network, read_state_dict(weights), str(weights)).to(device), least_score=least_score)

    def detect(self, pictures: Sequence[Picture]) -> list[list[DetectedFace]]:
        """See `FaceDetector.detect`."""
        found: list[list[DetectedFace]] = [[] for _ in pictures]
        sizes: dict[tuple[int, ...], list[int]] = {}
        for index, picture in enumerate(pictures):
            sizes.setdefault(picture.shape, []).append(index)
        for same in sizes.values():
            for start in range(0, len(same), self._batch):
                chosen = same[start : start + self._batch]
                for index, faces in zip(chosen, self._search([pictures[i] for i in chosen]), strict=True):
                    found[index] = faces
        return found

    def _search(self, pictures: list[Picture]) -> list[list[DetectedFace]]:
        """The faces of pictures of one size."""
        scale = min(1.0, MAX_SIDE / max(pictures[0].shape[:2]))
        batch = np.stack([network_input(_shrunk(picture, scale)) for picture in pictures])
        parameter = next(self._network.parameters())
        with torch.inference_mode():
            given = self._network(torch.from_numpy(batch).to(parameter.device, parameter.dtype))
        offsets, scores, points = (part.float().cpu().numpy() for part in given)
        priors = anchors(*batch.shape[2:])
        size = (batch.shape[3] / scale, batch.shape[2] / scale)
        return [
            self._faces(decode_boxes(offsets[i], priors, size), decode_points(points[i], priors, size), scores[i, :, 1])
            for i in range(len(pictures))
        ]

    def _faces(self, boxes: Floats, points: Floats, scores: Floats) -> list[DetectedFace]:
        sure = np.flatnonzero(scores > self._least_score)
        kept = sure[suppress(boxes[sure], scores[sure], self._overlap)]
        return [DetectedFace(boxes[i], float(scores[i]), points[i].reshape(POINTS, 2)) for i in kept]


def network_input(picture: Picture) -> Floats:
    """An RGB picture `[h, w, 3]` as the network takes it: float32 `[3, h, w]`, BGR without the mean."""
    return np.ascontiguousarray((picture[..., ::-1].astype(np.float32) - np.array(MEAN, np.float32)).transpose(2, 0, 1))


@lru_cache(maxsize=8)
def anchors(height: int, width: int) -> Floats:
    """Centre x, centre y, width and height of all anchors, `[n, 4]`, as fractions of the picture."""
    rows = [
        ((x + 0.5) * stride / width, (y + 0.5) * stride / height, side / width, side / height)
        for stride, sides in zip(STRIDES, ANCHORS, strict=True)
        for y, x in product(range(ceil(height / stride)), range(ceil(width / stride)))
        for side in sides
    ]
    return np.array(rows, np.float32)


def decode_boxes(offsets: Floats, priors: Floats, size: tuple[float, float]) -> Floats:
    """Boxes `[n, 4]` (x1 y1 x2 y2) in pixels of a picture of `size` (width, height), from what the network gave."""
    centres = priors[:, :2] + offsets[:, :2] * np.float32(_CENTRE_VARIANCE) * priors[:, 2:]
    halves = priors[:, 2:] * np.exp(offsets[:, 2:] * np.float32(_SIZE_VARIANCE)) / 2
    return np.concatenate([centres - halves, centres + halves], 1) * np.array([*size, *size], np.float32)


def decode_points(offsets: Floats, priors: Floats, size: tuple[float, float]) -> Floats:
    """Points `[n, 10]` (x, y by turns) in pixels."""
    count = offsets.shape[1] // 2
    centres, sides = np.tile(priors[:, :2], count), np.tile(priors[:, 2:], count)
    return (centres + offsets * np.float32(_CENTRE_VARIANCE) * sides) * np.tile(np.array(size, np.float32), count)


def _shrunk(picture: Picture, scale: float) -> Picture:
    if scale == 1.0:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
