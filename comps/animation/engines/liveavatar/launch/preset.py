"""Preset: what quick check, standard production and high quality mean, with values that do not crash."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from comps.animation.engines.liveavatar.live.channel import FPS
from comps.animation.engines.liveavatar.settings import PresetName, SizeName

CLIP_FRAMES = (24, 36, 48, 60, 72, 96)
"""Lengths of a clip in frames that the ring of caches survives: whole blocks of 12, and at least two."""
STEPS = 4
"""Sampling steps the model was distilled for; there is one cache for each, so that a fifth has none."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One row of the table in docs/liveavatar.md.

    Args:
        size: ``--size`` on one GPU; `stream_size` on five.
        seconds: the length the preset is meant for.
        online_decode: whether one GPU decodes as it goes, which keeps very long videos steady.
        expects: what to expect, in words.
    """

    size: SizeName
    stream_size: SizeName
    seconds: Fraction
    online_decode: bool
    expects: str


PRESETS: Mapping[PresetName, Preset] = {
    "quick": Preset("384*256", "384*256", Fraction(134, 10), False, "a look at whether picture and prompt agree"),
    "standard": Preset("688*368", "720*400", Fraction(288), False, "videos of some minutes"),
    "quality": Preset("704*384", "704*384", Fraction(2880), True, "long videos, as sharp as the program makes them"),
}


def clips(seconds: float | Fraction, infer_frames: int) -> int:
    """``--num_clip`` for so many seconds of video: the least number of whole clips that covers them, at least 1."""
    frames = Fraction(seconds).limit_denominator(1_000_000) * FPS
    return max(1, math.ceil(frames / infer_frames))


def nearest_clip(frames: int) -> int:
    """The length of `CLIP_FRAMES` next to `frames`; of two equally near the shorter, which takes less memory."""
    return min(CLIP_FRAMES, key=lambda length: (abs(length - frames), length))
