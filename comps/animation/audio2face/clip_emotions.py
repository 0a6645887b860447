"""The emotions of one clip, frame by frame: heard, preferred by keyframes, and neutral again in the silence behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from comps.animation.audio2face.emotions import EmotionChain
from comps.animation.audio2face.inference.model import Array, Audio, EmotionStream, frame_count
from comps.animation.audio2face.keyframes import Keyframes
from comps.animation.audio2face.names import FACE_EMOTIONS

Key = tuple[float, Mapping[str, float]]
"""A keyframe: seconds from the start of the clip, weights by emotion."""


class ClipEmotions:
    """The ten emotions of every frame of a clip.

    Args:
        chain: post-processing, fresh.
        heard: the detector's stream; None when it is switched off, and the keyframes alone count.
        fps: frames per second.
    """

    def __init__(self, chain: EmotionChain, heard: EmotionStream | None, fps: int) -> None:
        self._chain = chain
        self._heard = heard
        self._fps = fps
        self._keys = Keyframes()
        self._samples = 0
        self._frames = 0
        self._waiting: Array = np.empty((0, len(FACE_EMOTIONS)))

    def prefer(self, keys: Sequence[Key]) -> None:
        """Takes the keyframes of one message; they act from the next frame on. See `Keyframes.add` for what is refused."""
        self._keys.add(keys, now=self._frames / self._fps)

    def push(self, audio: Audio) -> Array:
        """Emotions `[m, 10]` of the next frames that can be told."""
        self._samples += len(audio)
        if self._heard is None:
            return self._kept(self._silent(frame_count(self._samples, self._fps) - self._frames))
        return self._kept(self._told(self._heard.push(audio)))

    def finish(self, padding: int) -> Array:
        """Emotions of the frames that are left, and of `padding` frames of silence in which all feeling goes."""
        left = frame_count(self._samples, self._fps) - self._frames
        told = self._silent(left) if self._heard is None else self._told(self._heard.finish())
        if self._frames != frame_count(self._samples, self._fps):
            raise RuntimeError(f"the detector told {len(told)} frames where {left} were left")
        calm: Array = np.zeros((padding, len(FACE_EMOTIONS)))
        return self._kept(np.concatenate([told, self._chain.from_emotions(calm, calm if len(self._keys) else None)]))

    def taken(self, frames: int) -> Array:
        """The emotions `[frames, 10]` of the next frames that leave; each is given once."""
        emotions, self._waiting = self._waiting[:frames], self._waiting[frames:]
        return emotions

    def _kept(self, emotions: Array) -> Array:
        self._waiting = np.concatenate([self._waiting, emotions])
        return emotions

    def _told(self, logits: Array) -> Array:
        return self._chain.from_logits(logits, self._preferred(len(logits)))

    def _silent(self, frames: int) -> Array:
        return self._chain.from_emotions(np.zeros((frames, len(FACE_EMOTIONS))), self._preferred(frames))

    def _preferred(self, frames: int) -> Array | None:
        times = (self._frames + np.arange(frames)) / self._fps
        self._frames += frames
        return self._keys.at(times)
