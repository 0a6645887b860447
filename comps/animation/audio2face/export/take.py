"""What is exported: the frames of one clip, whoever made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.face import arkit_weights, gaze_of, weights_of
from comps.animation.audio2face.names import ARKIT_SHAPES, FACE_EMOTIONS
from comps.animation.audio2face.pipeline import Frames
from comps.animation.motion.face_motion import FaceMotion

Array = NDArray[np.float64]
Key = tuple[float, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Take:
    """What holds for all frames of a clip: shapes by their names on the wire, frames per second, rate of the audio in Hz."""

    names: tuple[str, ...]
    fps: int
    sample_rate: int = 16_000


@dataclass(frozen=True, slots=True)
class Poses:
    """Consecutive frames from number `first`; frame k shows the time k / fps.

    `weights` `[n, shapes]` as they are streamed (NVIDIA's MouthClose); `emotions` `[n, 10]`; `head` `[n, 6]` as in
    FaceMotion; `audio` the PCM16 bytes of each frame, `keyframes` those that arrived with them.
    """

    first: int
    weights: Array
    emotions: Array
    head: Array
    audio: tuple[bytes, ...] = ()
    keyframes: tuple[Key, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def arkit(self) -> Array:
        """The weights with Apple's mouthClose (`face.py`)."""
        return arkit_weights(self.weights)

    @property
    def gaze(self) -> Array:
        """Gaze `[n, 2]` in degrees, to the subject's left and up."""
        return gaze_of(self.weights)


def poses_of(frames: Frames) -> Poses:
    """Frames of the pipeline, which has no head: it is still."""
    weights = frames.weights.astype(np.float64)
    return Poses(frames.first, weights, frames.emotions, np.zeros((len(weights), 6)), frames.audio, frames.keyframes)


def poses_of_motion(motion: FaceMotion) -> Poses:
    """Any other motion, such as the portrait's, with its head and without emotions."""
    calm = np.zeros((len(motion), len(FACE_EMOTIONS)))
    return Poses(motion.first, weights_of(motion), calm, motion.head.astype(np.float64))


def take_of_motion(motion: FaceMotion, sample_rate: int) -> Take:
    """The take that `poses_of_motion` belongs to."""
    return Take(ARKIT_SHAPES, motion.fps, sample_rate)
