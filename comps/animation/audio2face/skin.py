"""The skin: offsets of lids and lips, smoothing and strength of lower and upper face.

    d    = skin_strength delta + eye_close (blink_offset blink_strength - eyelid_open_offset) + lip_open lip_open_offset
    a(h) = 1 - 0.5^(dt / h), h a half-life; s1 += (d - s1) a, then s2 += (s1 - s2) a; at first s1 = s2 = d, as always for h = 0
    out  = neutral + s2_upper upper_face_strength (1 - m) + s2_lower lower_face_strength m
    m    = 1 / (1 + exp((t - face_mask_level) / face_mask_softness)), t the height in the neutral pose from 0 to 1

Formulas: NVIDIA Audio2Face-3D SDK 1.0.0 (MIT). m is 1 at the chin; strengths act after the filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.parameters import BY_NAME, Value, check
from comps.core.errors import UnprocessableError

Points = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class SkinSettings:
    """Parameters of the skin, named as in `parameters.FACE`; a value out of range is an UnprocessableError that names it."""

    lower_face_smoothing: float = 0.006
    upper_face_smoothing: float = 0.001
    lower_face_strength: float = 1.25
    upper_face_strength: float = 1.0
    face_mask_level: float = 0.6
    face_mask_softness: float = 0.0085
    skin_strength: float = 1.0
    blink_strength: float = 1.0
    eyelid_open_offset: float = 0.0
    lip_open_offset: float = 0.0
    blink_offset: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            check(BY_NAME[field.name], getattr(self, field.name))

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> SkinSettings:
        """Settings from values by parameter name; other names are ignored."""
        return cls(**{field.name: float(values[field.name]) for field in fields(cls) if field.name in values})


@dataclass(frozen=True, slots=True)
class SkinRig:
    """Points `[v, 3]` of the neutral pose, y up, and the displacements `[v, 3]` that close the eyes and open the lips."""

    neutral: Points
    eye_close: Points
    lip_open: Points

    def __post_init__(self) -> None:
        if self.neutral.ndim != 2 or not self.neutral.shape == self.eye_close.shape == self.lip_open.shape:
            raise UnprocessableError("neutral, eye_close and lip_open are not all [v, 3]", param="skin")


def lower_mask(neutral: Points, level: float, softness: float) -> Points:
    """How much of each point `[v, 3]` is lower face `[v]`, 0..1."""
    y = neutral[:, 1]
    height = (y - y.min()) / max(float(y.max() - y.min()), 1e-30)
    # exp of more than 80 is not told from infinity, and overflows in single precision.
    return np.asarray(1 / (1 + np.exp(np.clip((height - level) / softness, -80, 80))))


class SkinStream:
    """The skin of one stream; frames come in order, in chunks of any size, with the same result. Arrays keep the rig's dtype."""

    def __init__(self, rig: SkinRig, settings: SkinSettings, *, fps: float) -> None:
        self._rig = rig
        self._strength = settings.skin_strength
        closing = settings.blink_offset * settings.blink_strength - settings.eyelid_open_offset
        self._offset: Points = rig.eye_close * closing + rig.lip_open * settings.lip_open_offset
        mask = lower_mask(rig.neutral, settings.face_mask_level, settings.face_mask_softness)[:, None]
        self._lower = mask * settings.lower_face_strength
        self._upper = (1 - mask) * settings.upper_face_strength
        self._filters = (Smoothing(settings.lower_face_smoothing, fps), Smoothing(settings.upper_face_smoothing, fps))

    def pose(self, delta: Points) -> Points:
        """Points `[n, v, 3]` of the next frames from their motions `delta` `[n, v, 3]`."""
        if delta.shape[1:] != self._rig.neutral.shape:
            raise UnprocessableError(f"delta {delta.shape} is not [n, {len(self._rig.neutral)}, 3]", param="delta")
        posed: Points = np.empty(delta.shape, self._rig.neutral.dtype)
        lower, upper = self._filters
        moved = delta * self._strength + self._offset
        posed[:] = self._rig.neutral + upper.run(moved) * self._upper + lower.run(moved) * self._lower
        return posed

    def reset(self) -> None:
        """Makes the next frame a first one."""
        for smoothing in self._filters:
            smoothing.reset()


class Smoothing:
    """Two low-pass stages of one half-life in seconds, for values of any shape; linear, so it may run on projections too."""

    def __init__(self, half_life: float, fps: float) -> None:
        self._share = 1 - 0.5 ** (1 / (fps * half_life)) if half_life > 0 else 1.0
        self.reset()

    def reset(self) -> None:
        """Makes the next value a first one."""
        self._stages: tuple[Points, Points] | None = None

    def run(self, values: Points) -> Points:
        """The next values `[n, ...]`, filtered."""
        if self._share == 1:
            return values
        filtered: Points = np.empty_like(values)
        for frame, value in enumerate(values):
            first, second = self._stages or (value, value)
            first = first + (value - first) * self._share
            second = second + (first - second) * self._share
            self._stages = first, second
            filtered[frame] = second
        return filtered
