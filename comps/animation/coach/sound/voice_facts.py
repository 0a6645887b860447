"""What the voice in a recording is like: its pitch, how much that moves, how aroused it sounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from comps.animation.audio2face.inference.voice_measures import SPREAD, USUAL, measure, usual_pitch
from comps.animation.coach.sound.activity import Activity
from comps.animation.coach.sound.levels import HOP, Mask, Samples
from comps.core.hearing.voice import HOP as VOICE_HOP
from comps.core.hearing.voice import HOP_S, MARGIN, NO_FRAMES, VoiceFrames, voice_frames

_PERIODIC = 0.55
"""Periodicity of a voice."""
_BLOCK = 500
_LEAST_FRAMES = 25
_AROUSED = {"pitch": 0.25, "range": 0.3, "contrast": 0.1, "rate": 0.15, "bright": 0.2}
"""Share of each departure from a calm voice; loudness is left out, since it is the recording's, not the speaker's."""
_LIMIT = 2.5


@dataclass(frozen=True, slots=True, eq=False)
class VoiceFacts:
    """The voice of one recording.

    Args:
        voiced: for every hop of `levels.HOP`, whether it is voiced, bool `[n]`.
        pitch_hz: median; 0 when there is too little voice to tell.
        spread: semitones between the 10th and the 90th percentile of the pitch.
        arousal: departure from a calm voice, about -1.5 (dull) to 1.5 (excited); 0 where nothing can be told.
    """

    voiced: Mask
    pitch_hz: float = 0.0
    spread: float = 0.0
    arousal: float = 0.0


def hear_voice(samples: Samples, activity: Activity) -> VoiceFacts:
    """The voice in mono float32 `[n]` at 16 kHz, where `activity` says that somebody speaks."""
    frames = _frames(samples)
    count = len(activity.mask)
    speech = (
        activity.mask[np.minimum(np.arange(len(frames.pitch)) * 2, max(count - 1, 0))] if count else np.zeros(0, bool)
    )
    voiced = np.asarray((frames.periodic[: len(speech)] > _PERIODIC) & speech)
    per_hop = np.repeat(voiced, VOICE_HOP // HOP)
    fine = np.zeros(count, np.bool_)
    fine[: min(count, len(per_hop))] = per_hop[:count]
    if voiced.sum() < _LEAST_FRAMES:
        return VoiceFacts(fine)
    low, middle, high = np.percentile(frames.pitch[voiced], (10, 50, 90))
    return VoiceFacts(
        fine, 100 * 2 ** (float(middle) / 12), float(high - low), _arousal(frames, voiced, activity.seconds)
    )


def _frames(samples: Samples) -> VoiceFrames:
    padded = np.pad(samples, (MARGIN, MARGIN + VOICE_HOP))
    count = len(samples) // VOICE_HOP
    parts = [
        voice_frames(padded[first * VOICE_HOP : min(first + _BLOCK, count) * VOICE_HOP + 2 * MARGIN])
        for first in range(0, count, _BLOCK)
    ]
    together = NO_FRAMES
    for part in parts:
        together = together.then(part, count)
    return together


def _arousal(frames: VoiceFrames, voiced: Mask, speech_s: float) -> float:
    measured = measure(frames, voiced)
    measured["rate"] *= len(frames.level) * HOP_S / speech_s
    usual = USUAL | {"pitch": usual_pitch(measured["pitch"])}
    departures = {name: (measured[name] - usual[name]) / SPREAD[name] for name in _AROUSED}
    return float(sum(share * np.clip(departures[name], -_LIMIT, _LIMIT) for name, share in _AROUSED.items()))
