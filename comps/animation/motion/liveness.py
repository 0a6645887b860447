"""Liveness: blinks, glances, nods, brows and breath, so that a speaking face is not a mask with lips.

Everything follows from the seed and from what is heard: the same speech moves the same way twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float64]

BLINK_CLOSE_S, BLINK_SHUT_S, BLINK_OPEN_S = 0.08, 0.06, 0.16
"""Lids fall about twice as fast as they rise."""
BLINK_INTERVALS_S = (2.0, 6.0)
NOD_S = (0.18, 0.30)
"""Time to the lowest point of a nod and back."""
NOD_SPACING_S = (0.9, 1.7)
BREATH_S = 4.3
SACCADE_S = 0.05
EASE_IN_S = 0.8
"""The head begins at rest and takes this long to come alive."""

# Band-limited noise for yaw, pitch, roll (degrees) and x, y, z (eye distances): amplitude and frequencies in Hz.
_DRIFT_AMPLITUDE = np.array([1.7, 0.9, 1.0, 0.010, 0.006, 0.012])
_DRIFT_HZ = np.array([0.09, 0.17, 0.31, 0.47])
_DRIFT_SHARE = np.array([1.0, 0.75, 0.45, 0.22])


@dataclass(frozen=True, slots=True)
class Heard:
    """What liveness knows about one frame: `speaking` 0..1, a stressed syllable or a sentence beginning to end just now.

    `lips_meet` says that the lips meet within the next moments.
    """

    speaking: float
    stressed: bool
    ends: bool
    lips_meet: bool


@dataclass(slots=True)
class Alive:
    """State of the unconscious movements at one frame: blink 0..1, brows 0..1, head `[6]`, gaze `[2]` degrees."""

    blink: float
    brows: float
    head: Row
    gaze: Row


@dataclass(slots=True)
class _Pulse:
    start: float
    size: float
    brows: float


@dataclass(slots=True)
class Liveness:
    """Steps frame by frame; `head_motion` scales the head, `blinks` switches lids."""

    seed: int
    fps: int
    head_motion: float = 1.0
    blinks: bool = True
    _random: np.random.Generator = field(init=False)
    _phases: Row = field(init=False)
    _activity: float = field(init=False, default=0.0)
    _blink_at: float = field(init=False, default=0.0)
    _blink_start: float = field(init=False, default=-10.0)
    _nods: list[_Pulse] = field(init=False, default_factory=list)
    _nod_after: float = field(init=False, default=0.25)
    _glance_at: float = field(init=False, default=0.0)
    _glance_start: float = field(init=False, default=-1.0)
    _from: Row = field(init=False)
    _to: Row = field(init=False)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        self._phases = self._random.uniform(0, 2 * np.pi, (6, len(_DRIFT_HZ)))
        self._blink_at = self._random.uniform(1.0, 2.6)
        self._glance_at = self._random.uniform(0.8, 1.6)
        self._from, self._to = np.zeros(2), np.zeros(2)

    def step(self, time: float, heard: Heard) -> Alive:
        """The state at `time` seconds, one frame after the last."""
        self._activity += (heard.speaking - self._activity) * (1 - np.exp(-1 / (self.fps * 0.35)))
        self._plan_nod(time, heard)
        self._plan_blink(time, heard)
        head = self._head(time) * self.head_motion
        return Alive(self._blink(time), self._brows(time), head, self._gaze(time) - 0.6 * head[:2])

    def _plan_nod(self, time: float, heard: Heard) -> None:
        self._nods = [nod for nod in self._nods if time < nod.start + sum(NOD_S)]
        if heard.stressed and time >= self._nod_after:
            size, brow = self._random.uniform(1.2, 2.8), self._random.random()
            self._nods.append(_Pulse(time, size, 0.9 * size / 2.8 if brow < 0.45 else 0.0))
            self._nod_after = time + self._random.uniform(*NOD_SPACING_S)

    def _plan_blink(self, time: float, heard: Heard) -> None:
        if not self.blinks or heard.lips_meet:
            return
        rested = time - self._blink_start
        if time >= self._blink_at or (heard.ends and rested > 1.2):
            self._blink_start = time
            low, high = BLINK_INTERVALS_S
            self._blink_at = time + float(np.clip(self._random.lognormal(np.log(3.1), 0.45), low, high))

    def _blink(self, time: float) -> float:
        since = time - self._blink_start
        shut_until = BLINK_CLOSE_S + BLINK_SHUT_S
        if since < shut_until:
            return float(np.clip(since / BLINK_CLOSE_S + 1e-6, 0, 1))
        return 1.0 - _ease((since - shut_until) / BLINK_OPEN_S)

    def _brows(self, time: float) -> float:
        return max((nod.brows * _pulse(time - nod.start) for nod in self._nods), default=0.0)

    def _head(self, time: float) -> Row:
        waves = np.sin(2 * np.pi * _DRIFT_HZ * time + self._phases) @ _DRIFT_SHARE / _DRIFT_SHARE.sum() * 1.6
        head: Row = waves * _DRIFT_AMPLITUDE * (0.35 + 0.65 * self._activity)
        head[1] -= sum(nod.size * _pulse(time - nod.start) for nod in self._nods)
        breath = np.sin(2 * np.pi * time / BREATH_S)
        head[1] += 0.25 * breath
        head[4] += 0.006 * breath
        result: Row = head * _ease(time / EASE_IN_S)
        return result

    def _gaze(self, time: float) -> Row:
        share = _ease((time - self._glance_start) / SACCADE_S)
        now: Row = self._from + share * (self._to - self._from)
        if time >= self._glance_at:
            # Most glances away are followed by one back: people look at whom they speak to.
            away = not np.any(self._to) and self._random.random() < 0.75
            self._from, self._glance_start = now, time
            self._to = self._random.uniform((-3.0, -1.6), (3.0, 1.4)) if away else np.zeros(2)
            self._glance_at = time + (self._random.uniform(0.35, 1.0) if away else self._random.uniform(1.2, 3.2))
        return now


def _ease(value: float) -> float:
    t = min(1.0, max(0.0, value))
    return t * t * t * (10 + t * (6 * t - 15))


def _pulse(since: float) -> float:
    """0 to 1 and back, in the minimum-jerk shape of a reaching movement."""
    down, up = NOD_S
    return _ease(since / down) if since < down else 1.0 - _ease((since - down) / up)
