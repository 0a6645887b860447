"""What turns sound into a face: a detector of emotions and a model of the face, each with a stream per clip.

Audio is mono float32 in -1..1 at `SAMPLE_RATE`. A stream is given a clip in pieces of any size and returns what can be
told so far; how the clip was cut never changes a result. Frame k of a clip is centred on the sample floor(k * 16000 / fps)
and exists while that is one of the stream's, ceil(n * fps / 16000) frames of n samples (NVIDIA Audio2Face-3D SDK 1.0.0).
A clip's frame at its very end the pipeline gets with one more sample, of silence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.configuration.layers import ModelDefaults
from comps.animation.audio2face.parameters import Value

Audio = NDArray[np.float32]
Array = NDArray[np.float64]

SAMPLE_RATE = 16_000


def frame_count(samples: int, fps: int) -> int:
    """Frames whose sample is among so many."""
    return -(-samples * fps // SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class FaceTuning:
    """What a stream's face depends on: parameters by their names in `parameters.py`, and which poses the solver uses.

    `active`, `cancel` and `symmetry` are by shape name (`names.py`), as in the stylization files.
    """

    fps: int
    values: Mapping[str, Value]
    active: Mapping[str, int]
    cancel: Mapping[str, int]
    symmetry: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Steps:
    """After how many samples of a clip a model has something new to tell: `first`, and then every `every`."""

    first: int
    every: int

    def after(self, samples: int) -> int:
        """The next of them, when so many samples have been heard."""
        return self.first if samples < self.first else samples - (samples - self.first) % self.every + self.every


class EmotionStream(ABC):
    """Emotions heard in one clip, as logits `[n, 6]` in the order of `names.DETECTOR_EMOTIONS`, a row per frame."""

    @abstractmethod
    def push(self, audio: Audio) -> Array:
        """Hear more; the rows of the next frames that can be told, maybe none. Blocks."""

    @abstractmethod
    def finish(self) -> Array:
        """The rows of the frames that are left. Blocks."""


class EmotionDetector(ABC):
    """Hears emotions; one for all streams, thread safe."""

    look_ahead_s: float
    """Audio needed after a frame before it can be told, in seconds."""

    @abstractmethod
    def open(self, fps: int, interval: int) -> EmotionStream:
        """A stream at `fps` frames per second that listens anew every `interval` frames and repeats itself between."""


class FaceStream(ABC):
    """The face of one clip: solved weights `[n, shapes]` before multiplier and offset, in the order of the model's `names`."""

    @abstractmethod
    def push(self, audio: Audio, emotions: Array) -> Array:
        """Hear more; the weights of the next frames that can be told, maybe none. Blocks.

        `emotions` `[m, 10]` are those of the next m frames (`names.FACE_EMOTIONS`); audio and emotions need not be of
        the same frames, and a frame comes out once both are there.
        """

    @abstractmethod
    def finish(self, emotions: Array) -> Array:
        """The weights of the frames that are left; `emotions` of the last frames. Blocks."""


class FaceModel(ABC):
    """Moves a face; one for all streams, thread safe."""

    names: tuple[str, ...]
    """Shapes of its streams in order: the 52, or the 52 and the 16 of the tongue."""
    look_ahead_s: float
    """Audio needed after a frame before it can be told, in seconds."""
    defaults: ModelDefaults = ModelDefaults()
    """What the model's own files say about parameters, multipliers and offsets: the lowest of the `Layers`."""
    steps: Steps | None = None
    """When audio is worth pushing; None is always. In between it would only cost time."""
    alive: bool = False
    """Whether its frames blink and look around already; the pipeline adds both to those of other models."""

    @abstractmethod
    def open(self, tuning: FaceTuning) -> FaceStream:
        """A stream of a clip; raises UnprocessableError when the tuning cannot be used."""
