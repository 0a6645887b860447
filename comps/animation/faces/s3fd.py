"""S3fdDetector: the boxes Wav2Lip was made with, for users who supply `s3fd.pth` (also named s3fd-619a316812)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from comps.animation.faces.face import DetectedFace, FaceDetector, Picture
from comps.animation.faces.s3fd_network import STRIDES, S3fdNetwork
from comps.animation.faces.suppression import suppress
from comps.animation.neural.batching import is_out_of_memory
from comps.animation.neural.checkpoint import fill, read_state_dict
from comps.core.errors import EngineUnavailableError

logger = logging.getLogger(__name__)

FILE = "s3fd.pth"
MEAN = (104.0, 117.0, 123.0)
"""Taken off red, green and blue in this order. They are the means of blue, green and red, but the published weights are
used this way round."""
LEAST_CANDIDATE, LEAST_SCORE, OVERLAP = 0.05, 0.5, 0.3
BATCH = 16
MAX_SIDE = 1536
"""Pixels; a longer picture is searched in a smaller copy, so that memory is bounded."""
_CENTRE_VARIANCE, _SIZE_VARIANCE = 0.1, 0.2
_PRIOR = 4
"""Side of a prior box, in strides."""

Floats = NDArray[np.float32]


class S3fdDetector(FaceDetector):
    """Boxes only; `score` is a probability.

    Args:
        network: with its weights, in eval mode, on the device it shall run on.
        batch: pictures of one size searched at once; halved when memory does not suffice.
    """

    def __init__(self, network: S3fdNetwork, *, batch: int = BATCH) -> None:
        self._network = network
        self._batch = batch

    @classmethod
    def load(cls, weights: Path, device: str = "cpu", *, batch: int = BATCH) -> S3fdDetector:
        """With the published weights; raises EngineUnavailableError when the file cannot be used."""
        with torch.device("meta"):
            network = S3fdNetwork()
        return cls(fill(network, read_state_dict(weights), str(weights)).to(device), batch=batch)

    def detect(self, pictures: Sequence[Picture]) -> list[list[DetectedFace]]:
        """See `FaceDetector.detect`; raises EngineUnavailableError when memory does not suffice for one picture."""
        found: list[list[DetectedFace]] = [[] for _ in pictures]
        sizes: dict[tuple[int, ...], list[int]] = {}
        for index, picture in enumerate(pictures):
            sizes.setdefault(picture.shape, []).append(index)
        for same in sizes.values():
            while same:
                chosen = same[: self._batch]
                try:
                    faces = self._search([pictures[i] for i in chosen])
                except RuntimeError as error:
                    self._halve(len(chosen), error)
                    continue
                for index, seen in zip(chosen, faces, strict=True):
                    found[index] = seen
                same = same[len(chosen) :]
        return found

    def _halve(self, tried: int, error: RuntimeError) -> None:
        """A smaller batch for the next try, when `error` says that memory ran out; else it is raised again."""
        if not is_out_of_memory(error):
            raise error
        if tried == 1:
            raise EngineUnavailableError("there is not enough memory to search one picture for faces") from error
        self._batch = tried // 2
        logger.warning("not enough memory to search %d pictures at once; trying %d", tried, self._batch)

    def _search(self, pictures: list[Picture]) -> list[list[DetectedFace]]:
        """The faces of pictures of one size."""
        scale = min(1.0, MAX_SIDE / max(pictures[0].shape[:2]))
        batch = np.stack([network_input(_shrunk(picture, scale)) for picture in pictures])
        parameter = next(self._network.parameters())
        with torch.inference_mode():
            levels = self._network(torch.from_numpy(batch).to(parameter.device, parameter.dtype))
            maps = [
                (torch.softmax(scores.float(), dim=1)[:, 1].cpu().numpy(), offsets.float().cpu().numpy())
                for scores, offsets in levels
            ]
        return [
            _faces(*candidates([(scores[index], offsets[index]) for scores, offsets in maps]), scale)
            for index in range(len(pictures))
        ]


def network_input(picture: Picture) -> Floats:
    """An RGB picture `[h, w, 3]` as the network takes it: float32 `[3, h, w]` without the mean."""
    return np.ascontiguousarray((picture.astype(np.float32) - np.array(MEAN, np.float32)).transpose(2, 0, 1))


def candidates(levels: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Every box `[n, 4]` (x1 y1 x2 y2) that may be a face, and its score `[n]`.

    Args:
        levels: probability `[h, w]` and offsets `[4, h, w]` of each level, from fine to coarse.
    """
    boxes, scores = [], []
    for stride, (probability, offsets) in zip(STRIDES, levels, strict=True):
        rows, columns = np.nonzero(probability > LEAST_CANDIDATE)
        side = np.float32(_PRIOR * stride)
        centres = np.stack([columns, rows], axis=1).astype(np.float32) * stride + np.float32(stride / 2)
        moved = offsets[:, rows, columns].T
        centres = centres + moved[:, :2] * np.float32(_CENTRE_VARIANCE) * side
        halves = side * np.exp(moved[:, 2:] * np.float32(_SIZE_VARIANCE)) / 2
        boxes.append(np.concatenate([centres - halves, centres + halves], axis=1))
        scores.append(probability[rows, columns])
    return np.concatenate(boxes).astype(np.float32), np.concatenate(scores).astype(np.float32)


def _faces(boxes: Floats, scores: Floats, scale: float) -> list[DetectedFace]:
    # Overlap is measured as between whole pixels, the last of which belong to their box.
    kept = suppress(boxes + np.array([0, 0, 1, 1], np.float32), scores, OVERLAP)
    return [
        DetectedFace((boxes[i] / scale).astype(np.float32), float(scores[i])) for i in kept if scores[i] > LEAST_SCORE
    ]


def _shrunk(picture: Picture, scale: float) -> Picture:
    if scale == 1.0:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
