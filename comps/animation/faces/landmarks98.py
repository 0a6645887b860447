"""Landmarks98: the 98 points of faces whose boxes are known, for users who supply `alignment_WFLW_4HG.pth`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from comps.animation.faces.face import DetectedFace, FaceDetector, Picture, Points
from comps.animation.faces.fan_network import POINTS, SIDE, FanNetwork
from comps.animation.neural.checkpoint import fill, read_state_dict

FILE = "alignment_WFLW_4HG.pth"
"""What the weights are called where they are published."""
_QUARTER, _HALF = 0.25, 0.5

_SOURCES: tuple[tuple[int, ...], ...] = (
    *((i,) for i in range(0, 33, 2)),
    (33,), (34, 41), (35, 40), (36, 39), (37, 38),
    (42, 50), (43, 49), (44, 48), (45, 47), (46,),
    *((i,) for i in range(51, 60)),
    (60,), (61,), (63,), (64,), (65,), (67,),
    (68,), (69,), (71,), (72,), (73,), (75,),
    *((i,) for i in range(76, 96)),
)  # fmt: skip
"""For each iBUG point the WFLW points whose mean it is: a brow's lie on its upper and on its lower edge."""


class Landmarks98(FaceDetector):
    """The faces of another detector with 98 points (WFLW) each.

    Args:
        boxes: finds the faces.
        network: with its weights, in eval mode, on the device it shall run on.
        batch: faces looked at together.
    """

    def __init__(self, boxes: FaceDetector, network: FanNetwork, *, batch: int = 8) -> None:
        self._boxes = boxes
        self._network = network
        self._batch = batch

    @classmethod
    def load(cls, boxes: FaceDetector, weights: Path, device: str = "cpu") -> Landmarks98:
        """With the published weights; raises EngineUnavailableError when the file cannot be used."""
        with torch.device("meta"):
            network = FanNetwork()
        return cls(boxes, fill(network, read_state_dict(weights), str(weights)).to(device))

    def detect(self, pictures: Sequence[Picture]) -> list[list[DetectedFace]]:
        """See `FaceDetector.detect`."""
        found = self._boxes.detect(pictures)
        crops = [_crop(picture, face.box) for picture, faces in zip(pictures, found, strict=True) for face in faces]
        points = iter(self.locate([crop for crop, _ in crops]))
        corners = iter([corner for _, corner in crops])
        return [[DetectedFace(face.box, face.score, next(points) + next(corners)) for face in faces] for faces in found]

    def locate(self, crops: Sequence[Picture]) -> list[Points]:
        """The 98 points, float32 `[98, 2]` in pixels, of pictures RGB uint8 `[h, w, 3]` that each show one face."""
        located: list[Points] = []
        parameter = next(self._network.parameters())
        for start in range(0, len(crops), self._batch):
            chosen = crops[start : start + self._batch]
            batch = torch.from_numpy(np.stack([network_input(crop) for crop in chosen]))
            with torch.inference_mode():
                heat = self._network(batch.to(parameter.device, parameter.dtype))[-1][:, :POINTS]
            maps = heat.float().cpu().numpy()
            located += [decode(one, (crop.shape[1], crop.shape[0])) for one, crop in zip(maps, chosen, strict=True)]
        return located


def to_68(points: NDArray[np.float32]) -> Points:
    """The 68 points of iBUG `[68, 2]` from the 98 of WFLW `[98, 2]`."""
    return np.stack([points[list(sources)].mean(0) for sources in _SOURCES]).astype(np.float32)


def network_input(crop: Picture) -> NDArray[np.float32]:
    """An RGB picture of a face as the network takes it: float32 `[3, 256, 256]` in 0..1."""
    resized = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(resized.astype(np.float32).transpose(2, 0, 1) / np.float32(255))


def decode(heat: NDArray[np.float32], size: tuple[int, int]) -> Points:
    """The hottest places of `[n, h, w]` maps as points `[n, 2]` in pixels of a picture of `size` (width, height).

    Each moves a quarter of a place towards its hotter neighbours. As in the published evaluation, the neighbours below
    (above) are the last (first) place of the map for all points as soon as one of them lies in the last (first) row.
    """
    count, height, width = heat.shape
    flat = heat.reshape(count, -1)
    peak = flat.argmax(1)

    def at(places: NDArray[np.intp]) -> NDArray[np.float32]:
        return flat[np.arange(count), np.clip(places, 0, flat.shape[1] - 1)]

    below = peak + width if (peak + width < flat.shape[1]).all() else np.full(count, flat.shape[1] - 1)
    above = peak - width if (peak - width > 0).all() else np.zeros(count, np.intp)
    slope = np.stack([at(peak + 1) - at(peak - 1), at(below) - at(above)], 1)
    places = np.stack([peak % width, peak // width], 1) + _QUARTER * np.sign(slope) + _HALF
    return (places * np.array([size[0] / width, size[1] / height])).astype(np.float32)


def _crop(picture: Picture, box: Points) -> tuple[Picture, Points]:
    """What is inside the box, at least one pixel, and its corner (x, y)."""
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = (int(value) for value in box)
    left, top = min(max(x1, 0), width - 1), min(max(y1, 0), height - 1)
    right, bottom = max(min(x2, width), left + 1), max(min(y2, height), top + 1)
    return picture[top:bottom, left:right], np.array([left, top], np.float32)
