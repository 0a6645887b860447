"""Audio2Emotion: the emotion in the audio around a frame.

Input `input_values` `[n, samples]`, output `output` `[n, 6]`. The window lies around the frame, as many samples before
it as behind; networks leave its length open, and the service of the original hears 30000 samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from comps.animation.audio2face.inference.model import SAMPLE_RATE, Array, Audio, EmotionDetector, EmotionStream
from comps.animation.audio2face.inference.onnx.clip import ClipAudio
from comps.animation.audio2face.inference.onnx.network import Network, Signature
from comps.animation.audio2face.names import DETECTOR_EMOTIONS
from comps.core.errors import UnprocessableError

INPUT = "input_values"


def detector_signature(window: int) -> Signature:
    """The tensors of such a network that hears `window` samples."""
    return Signature({INPUT: (None, window)}, {"output": (None, len(DETECTOR_EMOTIONS))})


class OnnxEmotions(EmotionDetector):
    """A detector of emotions.

    Args:
        network: with the tensors of `detector_signature(window)`.
        window: samples it hears.
        order: place in its answer of each of `names.DETECTOR_EMOTIONS`.
    """

    def __init__(self, network: Network, window: int, order: Sequence[int]) -> None:
        self.network = network
        self.window = window
        self.order = list(order)
        self.look_ahead_s = (window - window // 2) / SAMPLE_RATE

    def open(self, fps: int, interval: int) -> EmotionStream:
        """See `EmotionDetector`; UnprocessableError for an interval that is not at least 1."""
        if interval < 1:
            raise UnprocessableError(f"inference_interval = {interval} is not at least 1", param="inference_interval")
        return _Stream(self, fps, interval)


class _Stream(EmotionStream):
    def __init__(self, detector: OnnxEmotions, fps: int, interval: int) -> None:
        self._detector = detector
        self._fps = fps
        self._interval = interval
        self._audio = ClipAudio()
        self._told = 0
        self._heard: Array = np.zeros((0, len(DETECTOR_EMOTIONS)))
        """Logits from run number `_first` on."""
        self._first = 0

    def push(self, audio: Audio) -> Array:
        self._audio.push(audio)
        behind = self._audio.received - (self._detector.window - self._detector.window // 2)
        # Run i can be made when floor(i * interval * 16000 / fps) <= behind.
        runs = ((behind + 1) * self._fps - 1) // (SAMPLE_RATE * self._interval) + 1 if behind >= 0 else 0
        return self._tell(min(self._all(), runs * self._interval))

    def finish(self) -> Array:
        return self._tell(self._all())

    def _all(self) -> int:
        """Frames whose sample has been received."""
        return -(-self._audio.received * self._fps // SAMPLE_RATE)

    def _tell(self, until: int) -> Array:
        """The rows of the frames up to this one."""
        runs = -(-until // self._interval)
        self._listen(runs)
        frames = np.arange(self._told, until)
        rows = self._heard[frames // self._interval - self._first]
        self._told = max(self._told, until)
        drop = self._told // self._interval - self._first
        self._heard, self._first = self._heard[drop:], self._first + drop
        return rows

    def _listen(self, until: int) -> None:
        """Runs the network up to this run."""
        detector, done = self._detector, self._first + len(self._heard)
        for first in range(done, until, detector.network.most):
            numbers = np.arange(first, min(first + detector.network.most, until))
            starts = numbers * self._interval * SAMPLE_RATE // self._fps - detector.window // 2
            feed = {INPUT: self._audio.windows(starts, detector.window)}
            logits = detector.network.run(feed, len(numbers))["output"][:, detector.order]
            self._heard = np.concatenate([self._heard, logits.astype(np.float64)])
        self._audio.forget(until * self._interval * SAMPLE_RATE // self._fps - detector.window // 2)
