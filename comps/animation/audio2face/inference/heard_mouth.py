"""The mouth of one clip from its sound alone: heard sounds become phones, and those move the portrait's speech organs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.inference.model import SAMPLE_RATE, frame_count
from comps.animation.audio2face.inference.tongue_shapes import tongue_shape
from comps.animation.motion.articulation import OPENING
from comps.animation.motion.blendshapes import mouth_weights
from comps.animation.motion.coarticulation import articulate
from comps.animation.motion.loudness import Loudness
from comps.animation.motion.stream import END_FADE_S, START_FADE_S
from comps.core.hearing.ear import BLOCK, Ear
from comps.core.hearing.front_end import FRAME_S, HOP, MARGIN
from comps.core.hearing.heard_phones import HeardPhones
from comps.core.hearing.sounds import SOUNDS

Audio = NDArray[np.float32]
Plane = NDArray[np.float32]
Times = NDArray[np.float64]

AHEAD_S = 0.08
"""A frame is shaped by sounds that begin up to this long after it."""
_TONGUE_S = 0.06
"""A frame's tongue is a mean over this long before and after it."""


@dataclass(frozen=True, slots=True, eq=False)
class MouthFrames:
    """Consecutive frames: `weights` float32 `[n, 52]` as ARKit's, `tongue` `[n, 16]`, `speaking` `[n]` 0..1."""

    weights: Plane
    tongue: Plane
    speaking: Times

    def __len__(self) -> int:
        return len(self.speaking)

    def __getitem__(self, part: slice) -> MouthFrames:
        return MouthFrames(self.weights[part], self.tongue[part], self.speaking[part])


def joined(parts: Sequence[MouthFrames]) -> MouthFrames:
    """Frames that follow each other, as one."""
    return MouthFrames(
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.tongue for part in parts]),
        np.concatenate([part.speaking for part in parts]),
    )


class HeardMouth:
    """Frames of a clip at `fps`, made in whole blocks of the ear and kept until they are taken."""

    def __init__(self, fps: int) -> None:
        self._fps = fps
        self._ear = Ear()
        self._phones = HeardPhones()
        self._loudness = Loudness(SAMPLE_RATE)
        self._pending: list[Audio] = []
        self._due = BLOCK * HOP + MARGIN
        self._samples = 0
        self._made = 0
        self._end = np.inf
        self._waiting: list[MouthFrames] = []

    @property
    def ready(self) -> int:
        """Frames that can be taken."""
        return sum(len(frames) for frames in self._waiting)

    def take(self, count: int) -> MouthFrames:
        """The next frames, at most `ready`."""
        made = self._waiting[0] if len(self._waiting) == 1 else joined(self._waiting)
        self._waiting = [made[count:]] if count < len(made) else []
        return made[:count]

    def push(self, audio: Audio) -> None:
        """Hear more."""
        self._samples += len(audio)
        self._pending.append(audio)
        if self._samples >= self._due:
            self._flush()

    def finish(self) -> None:
        """Hear that the clip is over; the mouth closes."""
        self._flush()
        self._end = self._samples / SAMPLE_RATE
        self._listen(self._ear.finish())
        self._make(frame_count(self._samples, self._fps))

    def _flush(self) -> None:
        """Let the ear hear what is pending; it is due again when the next block is whole."""
        audio, self._pending = np.concatenate([_NO_AUDIO, *self._pending]), []
        self._due = ((self._samples - MARGIN) // (BLOCK * HOP) + 1) * BLOCK * HOP + MARGIN
        self._loudness.add_audio(audio)
        self._listen(self._ear.push(audio))

    def _listen(self, blocks: Iterable[NDArray[np.intp]]) -> None:
        for sounds in blocks:
            self._phones.add(sounds)
            self._make(int(np.floor((self._phones.end - AHEAD_S) * self._fps + 1e-9)) + 1)

    def _make(self, stop: int) -> None:
        """Frames up to number `stop`."""
        stop = min(stop, frame_count(self._samples, self._fps))
        if stop <= self._made:
            return
        times = np.arange(self._made, stop) / self._fps
        opening = self._loudness.at(times).opening()
        organs = articulate(self._phones.recent, times, self._fps, look_ahead_s=AHEAD_S)
        organs[:, OPENING] *= opening[:, None].astype(np.float32)
        fade = self._fade(times)[:, None]
        tongue, speaking = self._tongue(times)
        shown = np.minimum(opening, 1)[:, None].astype(np.float32) * fade
        self._waiting.append(MouthFrames(mouth_weights(organs * fade), tongue * shown, speaking))
        self._made = stop
        self._loudness.forget(float(times[-1]))
        self._phones.forget(float(times[-1]))

    def _fade(self, times: Times) -> Plane:
        """Share `[n]` of its movement that the mouth has: it begins and ends at rest."""
        begun, left = times / START_FADE_S, (self._end - 1 / self._fps - times) / END_FADE_S
        share: Plane = np.maximum(np.minimum(np.minimum(begun, left), 1), 0).astype(np.float32)
        return share

    def _tongue(self, times: Times) -> tuple[Plane, Times]:
        """Tongue shapes `[n, 16]`, and the share of sound `[n]` around each time."""
        sounds = self._phones.around(times, round(_TONGUE_S / FRAME_S))
        tongue: Plane = (_TONGUES[sounds] * _KERNEL[:, None]).sum(1)
        speaking: Times = ((sounds != 0) * _KERNEL).sum(1).astype(np.float64)
        return tongue, speaking


_NO_AUDIO: Audio = np.zeros(0, np.float32)
_TONGUES = np.stack([tongue_shape(sound) for sound in SOUNDS])
_KERNEL = np.hanning(2 * round(_TONGUE_S / FRAME_S) + 3)[1:-1].astype(np.float32)
_KERNEL /= _KERNEL.sum()
