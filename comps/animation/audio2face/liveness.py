"""Blinks and gaze for a face that has none: what a model of the mouth leaves out.

Everything follows from the seed and from the frame's number, so a clip looks the same every time. Angles go through
the eye formulas of `eyes.py`; a glance then becomes the EyeLook shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.eyes import EyeSettings, pose_eyes
from comps.animation.audio2face.parameters import Value
from comps.animation.audio2face.weights import WeightTuning
from comps.animation.motion.blendshapes import WIDEST_GAZE
from comps.animation.motion.liveness import (
    BLINK_CLOSE_S,
    BLINK_INTERVALS_S,
    BLINK_OPEN_S,
    BLINK_SHUT_S,
    SACCADE_S,
)

Array = NDArray[np.float64]

TABLE_ROWS, TABLE_RATE = 5000, 30
"""Size of the original's table of eye movements; after 166.7 s it begins again."""
PERIOD_S = TABLE_ROWS / TABLE_RATE

_GLANCE_DEGREES = (2.7, 5.0)
"""Widest glance up or down, and to a side, before `saccade_strength`."""
_AWAY_S, _BACK_S = (0.35, 1.0), (1.2, 3.2)
"""How long eyes stay elsewhere, and then at whom they speak to."""
_MEDIAN_BLINK_S, _BLINK_SPREAD = 3.1, 0.45


@dataclass(frozen=True, slots=True)
class _Life:
    """`blinks` `[b]`: when lids begin to fall, s. `gaze` `[5000, 2]`: degrees about x (down) and y (to the subject's left)."""

    blinks: Array
    gaze: Array


@lru_cache(maxsize=4)
def _life(seed: int) -> _Life:
    random = np.random.default_rng(seed)
    return _Life(_blink_starts(random), _gaze_table(random))


def _blink_starts(random: np.random.Generator) -> Array:
    gaps = np.clip(random.lognormal(np.log(_MEDIAN_BLINK_S), _BLINK_SPREAD, TABLE_ROWS), *BLINK_INTERVALS_S)
    starts = random.uniform(1.0, 2.6) + np.cumsum(gaps)
    return np.asarray(starts[starts < PERIOD_S - (BLINK_CLOSE_S + BLINK_SHUT_S + BLINK_OPEN_S)])


def _gaze_table(random: np.random.Generator) -> Array:
    times, angles, now = [0.0], [np.zeros(2)], float(random.uniform(0.8, 1.6))
    while now < PERIOD_S - sum(max(span) for span in (_AWAY_S, _BACK_S)):
        for target, span in ((random.uniform(-1, 1, 2) * _GLANCE_DEGREES, _AWAY_S), (np.zeros(2), _BACK_S)):
            times += [now, now + SACCADE_S]
            angles += [angles[-1], target]
            now += float(random.uniform(*span))
    rows = np.arange(TABLE_ROWS) / TABLE_RATE
    return np.stack([np.interp(rows, times, channel) for channel in np.array(angles).T], axis=1)


@lru_cache(maxsize=8)
def _movements(settings: EyeSettings, fps: int, seed: int, places: tuple[int, ...]) -> Array:
    """Amounts `[frames of the period, columns]` of `_SHAPES`, each in the column `places` names; -inf in the others.

    There is a row for every frame, so that a stream only looks them up.
    """
    frames: NDArray[np.intp] = np.arange(TABLE_ROWS * fps // TABLE_RATE, dtype=np.intp)
    closed = lids(frames, fps, seed)
    right, left = pose_eyes(np.zeros((len(frames), 4)), _life(seed).gaze, settings, first=0, fps=fps)
    looks = [
        np.clip(amount / WIDEST_GAZE, 0, 1)
        for down, inward in ((left[:, 0], -left[:, 1]), (right[:, 0], right[:, 1]))
        for amount in (down, -down, inward, -inward)
    ]
    amounts: Array = np.full((len(frames), max(places) + 1), -np.inf)
    amounts[:, list(places)] = np.stack([closed, closed, *looks], axis=1)
    return amounts


def lids(frames: NDArray[np.intp], fps: int, seed: int = 0) -> Array:
    """How far a blink has closed the lids, 0..1 `[n]`, at frame numbers `[n]`."""
    starts, times = _life(seed).blinks, frames / fps % PERIOD_S
    since = times - np.concatenate([[-PERIOD_S], starts])[np.searchsorted(starts, times, side="right")]
    opened = np.clip((since - BLINK_CLOSE_S - BLINK_SHUT_S) / BLINK_OPEN_S, 0, 1)
    return np.asarray(np.minimum(since / BLINK_CLOSE_S, 1) * (1 - opened * opened * (3 - 2 * opened)))


_SHAPES = tuple(f"EyeBlink{side}" for side in ("Left", "Right")) + tuple(
    f"EyeLook{way}{side}" for side in ("Left", "Right") for way in ("Down", "Up", "In", "Out")
)
_WIDE = ("EyeWideLeft", "EyeWideRight")


class LivingEyes:
    """Adds blinks and glances to the weights of one stream of shapes `names`, which has the 52.

    A shape's multiplier holds for what is added too (0 leaves it out); blinks go with `blink_strength`, glances with
    `saccade_strength` and from where the eye offsets point.
    """

    def __init__(self, names: Sequence[str], values: Mapping[str, Value], tuning: WeightTuning, fps: int) -> None:
        known = {field.name: float(values[field.name]) for field in fields(EyeSettings) if field.name in values}
        self._settings = EyeSettings(**known)
        self._fps = fps
        self._first = min(names.index(name) for name in _SHAPES)
        self._places = tuple(names.index(name) - self._first for name in _SHAPES)
        self._wide = [names.index(name) for name in _WIDE]
        self._blink = min(float(values.get("blink_strength", 1.0)), 1.0)
        self._gain: Array = np.ones(max(self._places) + 1)
        self._gain[list(self._places)] = [tuning.multipliers[names.index(name)] for name in _SHAPES]
        self._gain[list(self._places[:2])] *= self._blink
        self._clamp = tuning.clamp

    def apply(self, weights: Array, first: int, seed: int = 0) -> Array:
        """Weights `[n, shapes]` of the frames from number `first` on, with blinks and glances."""
        table = _movements(self._settings, self._fps, seed, self._places)
        amounts = table.take(np.arange(first, first + len(weights)), axis=0, mode="wrap")
        alive = weights.copy()
        eyes = alive[:, self._first : self._first + len(self._gain)]
        np.maximum(eyes, amounts * self._gain, out=eyes)
        opened = 1 - amounts[:, self._places[0]] * self._blink
        for place in self._wide:
            alive[:, place] *= opened
        return np.minimum(np.maximum(alive, 0), 1) if self._clamp else alive
