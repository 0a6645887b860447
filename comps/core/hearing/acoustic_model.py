"""The acoustic model: a small network that tells which sound each frame is of.

It sees a frame and some of its neighbours, and gives the log probability of every class of `sounds.SOUNDS`. Trained by
``python -m scripts.hearing`` on synthetic speech in 130 languages and on recorded voices, in noise and rooms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from comps.core.hearing.front_end import BANDS

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class AcousticModel:
    """Layers (weights `[in, out]`, biases `[out]`, float32) over the frames at `offsets`; `transitions` `[25, 25]`.

    `transitions[a, b]` is the log probability that b follows a, its diagonal that a goes on for another frame.
    """

    offsets: NDArray[np.intp]
    layers: tuple[tuple[Plane, Plane], ...]
    prior: Plane
    transitions: Plane

    @property
    def past(self) -> int:
        """Frames before one that it sees."""
        return -int(self.offsets[0])

    @property
    def future(self) -> int:
        """Frames after one that it sees."""
        return int(self.offsets[-1])

    def log_likelihoods(self, features: Plane) -> Plane:
        """How well every sound explains each frame, `[n, 25]`, from features `[past + n + future, 30]`."""
        count = len(features) - self.past - self.future
        places = np.arange(count)[:, None] + (self.offsets + self.past)
        seen = features.take(places, 0).reshape(count, -1)
        for weights, biases in self.layers[:-1]:
            seen = np.maximum(seen @ weights + biases, 0)
        weights, biases = self.layers[-1]
        scores = seen @ weights + biases
        scores -= scores.max(1, keepdims=True)
        scores -= np.log(np.exp(scores).sum(1, keepdims=True))
        likelihoods: Plane = scores - self.prior
        return likelihoods


@lru_cache(maxsize=1)
def acoustic_model() -> AcousticModel:
    """The shipped model, read on first use."""
    with as_file(files("comps.core.hearing") / "sounds.npz") as path, np.load(path) as stored:
        depth = sum(name.startswith("w") for name in stored.files)
        layers = tuple((_single(stored[f"w{i}"]), _single(stored[f"b{i}"])) for i in range(depth))
        offsets = stored["offsets"].astype(np.intp)
        prior, transitions = _single(stored["prior"]), _single(stored["transitions"])
    assert layers[0][0].shape[0] == len(offsets) * BANDS
    return AcousticModel(offsets, layers, prior, transitions)


def _single(array: NDArray[np.generic]) -> Plane:
    return np.ascontiguousarray(array, np.float32)
