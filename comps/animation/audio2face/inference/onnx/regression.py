"""Audio2Face-3D's regression networks: each frame from half a second of audio around it.

Window, centre and sizes are those of `network_info.json`: 8320 samples with the frame at sample 4160 in the published
networks. Inputs: `input` `[n, 1, window]` and `emotion` `[n, 1, implicit + explicit]`; output `result`
`[n, 1, skin + tongue + jaw + eyes]`.
"""

from __future__ import annotations

import numpy as np

from comps.animation.audio2face.inference.model import SAMPLE_RATE, Array, Audio, FaceModel, FaceStream, FaceTuning
from comps.animation.audio2face.inference.onnx.clip import ClipAudio, ClipEmotions
from comps.animation.audio2face.inference.onnx.network import Network, Signature
from comps.animation.audio2face.inference.onnx.network_info import RegressionInfo
from comps.animation.audio2face.inference.onnx.projection import Face
from comps.animation.audio2face.names import FACE_EMOTIONS


def regression_signature(info: RegressionInfo) -> Signature:
    """The tensors of such a network."""
    emotion = info.implicit + len(info.emotions)
    return Signature(
        {"emotion": (None, 1, emotion), "input": (None, 1, info.window)}, {"result": (None, 1, info.result)}
    )


class RegressionFace(FaceModel):
    """A character moved by its regression network.

    `implicit` is float32 `[info.implicit]`, the emotion that the network was told besides the explicit ones. Results of
    frames that shared a call with others differ in the last bits of single precision.
    """

    def __init__(self, network: Network, info: RegressionInfo, face: Face, implicit: Audio) -> None:
        self.network = network
        self.info = info
        self.face = face
        self.implicit = implicit
        self.names = face.names
        self.defaults = face.character.defaults
        self.look_ahead_s = (info.window - info.centre) / SAMPLE_RATE

    def open(self, tuning: FaceTuning) -> FaceStream:
        """See `FaceModel`."""
        return _Stream(self, tuning)


class _Stream(FaceStream):
    def __init__(self, model: RegressionFace, tuning: FaceTuning) -> None:
        self._model = model
        self._fps = tuning.fps
        self._strength = np.float32(tuning.values.get("input_strength", 1.0))
        self._face = model.face.open(tuning, tuning.fps)
        self._audio = ClipAudio()
        self._emotions = ClipEmotions(len(FACE_EMOTIONS))
        self._told = 0

    def push(self, audio: Audio, emotions: Array) -> Array:
        self._audio.push(audio)
        self._emotions.push(emotions)
        heard = self._audio.received - (self._model.info.window - self._model.info.centre)
        # Frame k can be told when floor(k * 16000 / fps) <= heard.
        ready = ((heard + 1) * self._fps - 1) // SAMPLE_RATE + 1 if heard >= 0 else 0
        return self._tell(min(ready, self._emotions.count, self._all()))

    def finish(self, emotions: Array) -> Array:
        self._emotions.push(emotions)
        return self._tell(self._all())

    def _all(self) -> int:
        return -(-self._audio.received * self._fps // SAMPLE_RATE)

    def _tell(self, until: int) -> Array:
        """The weights of the frames up to this one."""
        most = self._model.network.most
        parts = [self._part(first, min(first + most, until)) for first in range(self._told, until, most)]
        self._told = max(until, self._told)
        return np.concatenate(parts) if parts else np.zeros((0, len(self._model.names)))

    def _part(self, first: int, until: int) -> Array:
        info = self._model.info
        frames = np.arange(first, until)
        starts = frames * SAMPLE_RATE // self._fps - info.centre
        heard = self._audio.windows(starts, info.window) * self._strength
        felt = self._emotions.at(frames.astype(np.float64))[:, list(info.emotions)]
        emotion = np.concatenate([np.tile(self._model.implicit, (len(frames), 1)), felt], axis=1)
        feed = {"input": heard[:, None], "emotion": emotion[:, None].astype(np.float32)}
        result = self._model.network.run(feed, len(frames))["result"][:, 0]
        self._audio.forget(until * SAMPLE_RATE // self._fps - info.centre)
        self._emotions.forget(until)
        told = self._face.targets(result[:, : info.skin], result[:, info.skin : info.skin + info.tongue])
        return self._face.weights(told)
