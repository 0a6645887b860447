"""Audio2Face-3D's diffusion network: half a second of frames at a time, from a second of audio and noise.

Sizes are those of `network_info.json`. Published are windows of 16000 samples with 60 frames, of which the 30 in the
middle are kept, so a window begins every 8000 samples; the first one lies wholly before the clip, in silence. What the
network remembers from a window is an input of the next. Inputs: `window` `[n, samples]`, `identity` `[n, identities]`,
`emotion` `[n, kept, emotions]`, `input_latents` `[steps, layers, n, latent]`, `noise` `[n, steps + 1, frames, numbers]`;
outputs: `prediction` `[n, frames, numbers]`, motions of points, and `output_latents`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.inference.model import SAMPLE_RATE, Array, Audio, FaceModel, FaceStream, FaceTuning
from comps.animation.audio2face.inference.onnx.clip import ClipAudio, ClipEmotions
from comps.animation.audio2face.inference.onnx.network import Network, Signature
from comps.animation.audio2face.inference.onnx.network_info import DiffusionInfo
from comps.animation.audio2face.inference.onnx.projection import Face
from comps.animation.audio2face.names import FACE_EMOTIONS

Single = NDArray[np.float32]

MOST_WINDOWS = 4
"""Windows of a call: the noise of one is 64 MB in the published network."""
_SEED = 0
"""Of the noise that is always the same."""


def diffusion_signature(info: DiffusionInfo) -> Signature:
    """The tensors of such a network."""
    latents = (info.steps, info.layers, None, info.latent)
    return Signature(
        {
            "window": (None, info.window),
            "identity": (None, len(info.identities)),
            "emotion": (None, info.centre, len(info.emotions)),
            "input_latents": latents,
            "noise": (None, info.steps + 1, info.frames, info.result),
        },
        {"prediction": (None, info.frames, info.result), "output_latents": latents},
    )


@dataclass(frozen=True, slots=True)
class Manner:
    """How the network moves: as which of its identities, and whether from the same noise every time."""

    identity: int
    constant_noise: bool = True


class DiffusionFace(FaceModel):
    """A character moved by the diffusion network.

    The network tells `info.fps` frames per second; other rates take every second of them, or lie between two.
    """

    def __init__(self, network: Network, info: DiffusionInfo, face: Face, manner: Manner) -> None:
        self.network = network
        self.info = info
        self.face = face
        self.names = face.names
        self.defaults = face.character.defaults
        self.look_ahead_s = (info.window - info.left * info.window // info.frames) / SAMPLE_RATE
        self.identity: Single = np.zeros((1, len(info.identities)), np.float32)
        self.identity[0, manner.identity] = 1
        self._constant = self._noise(np.random.Generator(np.random.Philox(_SEED))) if manner.constant_noise else None

    def open(self, tuning: FaceTuning) -> FaceStream:
        """See `FaceModel`."""
        return _Stream(self, tuning)

    def noise(self, random: np.random.Generator) -> Single:
        """Noise `[1, steps + 1, frames, numbers]` of a window, normally distributed."""
        return self._noise(random) if self._constant is None else self._constant

    def _noise(self, random: np.random.Generator) -> Single:
        shape = self.network.signature.shape("noise", 1)
        return random.standard_normal(shape, np.float32)


class _Stream(FaceStream):
    def __init__(self, model: DiffusionFace, tuning: FaceTuning) -> None:
        info = model.info
        self._model = model
        self._fps = tuning.fps
        self._strength = np.float32(tuning.values.get("input_strength", 1.0))
        self._face = model.face.open(tuning, info.fps)
        self._audio = ClipAudio()
        self._emotions = ClipEmotions(len(FACE_EMOTIONS))
        self._latents: Single = np.zeros(model.network.signature.shape("input_latents", 1), np.float32)
        self._random = np.random.Generator(np.random.Philox())
        self._frames = _Frames(Fraction(info.fps, tuning.fps))
        self._window = 0

    def push(self, audio: Audio, emotions: Array) -> Array:
        self._audio.push(audio)
        self._emotions.push(emotions)
        while self._heard() and self._felt():
            self._draw()
        return self._weights(self._audio.received)

    def finish(self, emotions: Array) -> Array:
        self._emotions.push(emotions)
        while self._first() * SAMPLE_RATE // self._model.info.fps < self._audio.received:
            self._draw()
        self._frames.ended = True
        return self._weights(self._audio.received)

    def _first(self) -> int:
        """The network's frame that the next window keeps first."""
        return self._window * self._model.info.centre - self._model.info.before

    def _start(self) -> int:
        info = self._model.info
        return self._window * info.centre * info.window // info.frames - info.padding

    def _heard(self) -> bool:
        return self._start() + self._model.info.window <= self._audio.received

    def _felt(self) -> bool:
        last = self._first() + self._model.info.centre - 1
        return -(-last * self._fps // self._model.info.fps) < self._emotions.count

    def _draw(self) -> None:
        """The next window."""
        info = self._model.info
        first = self._first()
        numbers = first + np.arange(info.centre)
        feed = {
            "window": self._audio.windows(np.array([self._start()]), info.window) * self._strength,
            "identity": self._model.identity,
            "emotion": self._emotions.at(numbers * self._fps / info.fps)[None, :, list(info.emotions)].astype(
                np.float32
            ),
            "input_latents": self._latents,
            "noise": self._model.noise(self._random),
        }
        outputs = self._model.network.run(feed, 1)
        self._latents = outputs["output_latents"]
        kept = outputs["prediction"][0, info.left : info.left + info.centre][max(-first, 0) :]
        self._window += 1
        self._audio.forget(self._start())
        self._emotions.forget(self._first() * self._fps // info.fps)
        if len(kept):
            self._frames.push(self._face.targets(kept[:, : info.skin], kept[:, info.skin : info.skin + info.tongue]))

    def _weights(self, received: int) -> Array:
        targets = self._frames.take(-(-received * self._fps // SAMPLE_RATE))
        return np.zeros((0, len(self._model.names))) if targets is None else self._face.weights(targets)


class _Frames:
    """The solver's right sides at the network's rate, taken at the stream's: `step` of the former for one of the latter."""

    def __init__(self, step: Fraction) -> None:
        self._step = step
        self._rows: Array | None = None
        self._first = 0
        self._taken = 0
        self.ended = False

    def push(self, rows: Array) -> None:
        self._rows = rows if self._rows is None else np.concatenate([self._rows, rows])

    def take(self, until: int) -> Array | None:
        """The stream's next frames before number `until` that are there, as `[n, k]`."""
        if self._rows is None:
            return None
        last = self._first + len(self._rows) - 1
        places = [number * self._step for number in range(self._taken, until)]
        if not self.ended:
            places = [place for place in places if place <= last]
        if not places:
            return None
        low = np.array([place.__floor__() for place in places]) - self._first
        share = np.array([float(place % 1) for place in places])[:, None]
        rows = self._rows[low]
        taken: Array = rows + (self._rows[np.minimum(low + 1, last - self._first)] - rows) * share
        self._taken += len(places)
        drop = min((self._taken * self._step).__floor__() - self._first, len(self._rows) - 1)
        self._rows, self._first = self._rows[drop:].copy(), self._first + drop
        return taken
