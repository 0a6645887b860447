"""A file that can only be written once its whole clip is known."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.export.exporter import Exporter
from comps.animation.audio2face.export.take import Poses, Take
from comps.core.errors import UnprocessableError

Array = NDArray[np.float64]


class KeptClipExporter(Exporter):
    """Keeps weights and head of every frame, and writes the file at the end."""

    def __init__(self, take: Take) -> None:
        super().__init__(take)
        self._weights: list[NDArray[np.float32]] = []
        self._heads: list[NDArray[np.float32]] = []

    def write(self, poses: Poses) -> bytes:
        """Keeps the frames."""
        self._weights.append(poses.weights.astype(np.float32))
        self._heads.append(poses.head.astype(np.float32))
        return b""

    def end(self) -> bytes:
        """The whole file; raises UnprocessableError for a clip without frames."""
        if not sum(map(len, self._weights)):
            raise UnprocessableError("the clip has no frame to write", param="audio")
        weights, heads = (np.concatenate(kept).astype(np.float64) for kept in (self._weights, self._heads))
        return self.whole(weights, heads)

    @abstractmethod
    def whole(self, weights: Array, heads: Array) -> bytes:
        """The file of all frames, of which there is one at least: weights `[n, shapes]`, heads as in `Poses`."""
