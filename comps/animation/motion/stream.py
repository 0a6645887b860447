"""MotionStream: speech in, face motion out, piece by piece and always the same however it is cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.animation.motion.articulation import OPENING, closes
from comps.animation.motion.blendshapes import gaze_weights, mouth_weights
from comps.animation.motion.coarticulation import LOOK_AHEAD_S, articulate
from comps.animation.motion.emotion import FADE_S, MOUTH, mood, with_mood
from comps.animation.motion.face_motion import ARKIT_INDEX, FaceMotion
from comps.animation.motion.liveness import Heard, Liveness
from comps.animation.motion.loudness import Loudness
from comps.core.errors import UnprocessableError
from comps.core.language.phones import is_pause, is_vowel
from comps.core.speech import Phone, SpeechChunk

Plane = NDArray[np.float32]
Times = NDArray[np.float64]

BLINKS = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
START_FADE_S, END_FADE_S = 0.08, 0.10
"""The mouth leaves rest and comes to rest over this long, when the sound starts or stops without a pause."""
LIPS_MEET_S = 0.16
FORGET_S = 1.0
"""Speech that ended this long ago shapes no frame to come."""
NOD_LEAD_S = 0.10
"""A nod begins this long before its syllable."""


@dataclass(frozen=True, slots=True)
class MotionOptions:
    """How to move. `emotion` is the mood where the speech names none; `head_motion` 0..2 scales the head."""

    fps: int = 25
    seed: int = 0
    emotion: str = ""
    head_motion: float = 1.0
    blinks: bool = True


class MotionStream:
    """Turns speech into motion with `LOOK_AHEAD_S` of delay; memory does not grow with the answer.

    Raises UnknownChoiceError for an unknown emotion, UnprocessableError when a chunk is out of order.
    """

    def __init__(self, options: MotionOptions) -> None:
        self._options = options
        self._mood = mood(options.emotion)
        self._feeling = self._mood.copy()
        self._moods: list[tuple[float, NDArray[np.float32]]] = []
        self._live = Liveness(options.seed, options.fps, options.head_motion, options.blinks)
        self._loudness: Loudness | None = None
        self._phones: list[Phone] = []
        self._ends: list[float] = []
        self._sample_rate = 0
        self._samples = 0
        self._next = 0

    @property
    def duration(self) -> float:
        """Seconds of speech heard so far."""
        return self._samples / self._sample_rate if self._sample_rate else 0.0

    def feed(self, chunk: SpeechChunk) -> FaceMotion:
        """Hear a chunk; the frames that can be told now, maybe none."""
        self._hear(chunk)
        ready = int(np.floor((self.duration - LOOK_AHEAD_S) * self._options.fps + 1e-9)) + 1
        return self._frames(max(self._next, ready))

    def finish(self) -> FaceMotion:
        """The frames that are left, ceil(duration * fps) in all; the mouth ends at rest."""
        total = -(-self._samples * self._options.fps // self._sample_rate) if self._sample_rate else 0
        return self._frames(max(self._next, total), self.duration)

    def _hear(self, chunk: SpeechChunk) -> None:
        if self._loudness is None:
            self._loudness, self._sample_rate = Loudness(chunk.sample_rate), chunk.sample_rate
        if chunk.sample_rate != self._sample_rate or chunk.first_sample != self._samples:
            raise UnprocessableError(
                f"speech must come in order at one rate: expected sample {self._samples} at {self._sample_rate} Hz, "
                f"got {chunk.first_sample} at {chunk.sample_rate} Hz"
            )
        self._loudness.add(chunk.pcm)
        self._samples += len(chunk.pcm)
        self._phones = sorted([*self._phones, *chunk.phones], key=lambda phone: phone.start)
        if chunk.emotion:
            self._moods.append((chunk.start, mood(chunk.emotion)))
        if chunk.last:
            self._ends.append(chunk.end)

    def _frames(self, stop: int, end: float | None = None) -> FaceMotion:
        """Frames from the next one to `stop`; `end` is the end of the speech, once known."""
        first, fps = self._next, self._options.fps
        times = np.arange(first, stop) / fps
        weights: Plane = np.zeros((len(times), len(MOUTH)), np.float32)
        head, gaze = np.zeros((len(times), 6), np.float32), np.zeros((len(times), 2), np.float32)
        if len(times):
            assert self._loudness is not None
            organs = articulate(self._phones, times, fps)
            organs[:, OPENING] *= self._loudness.at(times).opening().astype(np.float32)[:, None]
            fade = np.clip(times / START_FADE_S, 0, 1)
            if end is not None:
                fade *= np.clip((end - 1 / fps - times) / END_FADE_S, 0, 1)
            weights = mouth_weights(organs * fade[:, None].astype(np.float32))
            for k, time in enumerate(times):
                head[k], gaze[k] = self._enliven(weights[k], float(time))
            if end is not None:  # a player keeps showing the last picture: with open eyes
                weights[:, BLINKS] *= np.clip((end - 1 / fps - times) / END_FADE_S, 0, 1).astype(np.float32)[:, None]
            self._forget(float(times[-1]))
        self._next = stop
        return FaceMotion(first, fps, np.clip(weights, 0, 1), head, gaze)

    def _enliven(self, weights: NDArray[np.float32], time: float) -> tuple[Times, Times]:
        """Add mood, lids and brows to one frame's `weights` in place; its head `[6]` and gaze `[2]`."""
        heard = self._heard(time)
        while self._moods and self._moods[0][0] <= time:
            self._mood = self._moods.pop(0)[1]
        self._feeling += (self._mood - self._feeling) * np.float32(1 - np.exp(-1 / (self._options.fps * FADE_S)))
        weights[:] = with_mood(weights[None], self._feeling, np.array([heard.speaking]))[0]
        alive = self._live.step(time, heard)
        for side in ("Left", "Right"):
            weights[ARKIT_INDEX[f"eyeBlink{side}"]] = alive.blink
            weights[ARKIT_INDEX[f"browOuterUp{side}"]] += 0.30 * alive.brows
        weights[ARKIT_INDEX["browInnerUp"]] += 0.28 * alive.brows
        for name, value in gaze_weights(*alive.gaze.tolist()).items():
            weights[ARKIT_INDEX[name]] = value
        return alive.head, alive.gaze

    def _heard(self, time: float) -> Heard:
        step = 1 / self._options.fps
        near = [p for p in self._phones if p.end > time - 0.05 and p.start < time + LOOK_AHEAD_S]
        spoken = [p for p in near if not is_pause(p.phone)]
        nod_from, nod_to = time + NOD_LEAD_S - step, time + NOD_LEAD_S
        return Heard(
            speaking=1.0 if spoken else 0.0,
            stressed=any(p.stress == 1 and nod_from < p.start <= nod_to and is_vowel(p.phone) for p in spoken),
            ends=any(nod_from < end <= nod_to for end in self._ends),
            lips_meet=any(closes(p.phone) and p.start < time + LIPS_MEET_S and p.end > time for p in spoken),
        )

    def _forget(self, time: float) -> None:
        assert self._loudness is not None
        self._loudness.forget(time)
        self._phones = [p for p in self._phones if p.end > time - FORGET_S]
        self._ends = [end for end in self._ends if end > time - FORGET_S]
