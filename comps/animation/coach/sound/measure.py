"""Everything that is measured of a recording, in the units of the rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr

from comps.animation.coach.sound.activity import Activity, find_activity
from comps.animation.coach.sound.bands import band_powers
from comps.animation.coach.sound.clipping import cut_share
from comps.animation.coach.sound.levels import HOP_S, RATE, Samples
from comps.animation.coach.sound.syllables import count_syllables
from comps.animation.coach.sound.voice_facts import VoiceFacts, hear_voice
from comps.core.media.audio import AudioTrack

_LEAST_SPEECH_S = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A recording and what was measured of it.

    Args:
        track: as the file holds it.
        samples: mono float32 `[n]` at 16 kHz, the offset taken away.
        offset: mean of the samples, of full scale.
        clipped: share of the track's samples that are cut off.
        activity: where somebody speaks.
        voice: what the voice is like.
        syllables: how many are said.
    """

    track: AudioTrack
    samples: Samples
    offset: float
    clipped: float
    activity: Activity
    voice: VoiceFacts
    syllables: int

    @property
    def seconds(self) -> float:
        """Length."""
        return float(self.track.samples.shape[1] / self.track.rate)

    @property
    def snr(self) -> float:
        """Level of the speech above the background, dB."""
        return self.activity.level - self.activity.noise

    @property
    def silence(self) -> float:
        """Share of the time in which nobody speaks."""
        return max(0.0, 1.0 - self.activity.seconds / self.seconds)

    @property
    def longest_pause(self) -> float:
        """Seconds; 0 when there is none."""
        return max(((stop - first) * HOP_S for first, stop in self.activity.pauses()), default=0.0)

    @property
    def tempo(self) -> float:
        """Syllables per second of speech; 0 when there is none."""
        return self.syllables / self.activity.seconds if self.activity.seconds else 0.0

    @property
    def voiced(self) -> float:
        """Share of the active time that is voiced."""
        return float(self.voice.voiced.sum()) / max(1.0, float(self.activity.mask.sum()))


def mixed_down(track: AudioTrack) -> tuple[Samples, float]:
    """Mono float32 at 16 kHz, the mean of the channels without its offset, and the offset, of full scale."""
    mono = track.samples.mean(axis=0, dtype=np.float32)
    offset = float(mono.mean(dtype=np.float64))
    samples = mono - np.float32(offset)
    if track.rate != RATE:
        samples = soxr.resample(samples, track.rate, RATE)
    return np.asarray(samples, np.float32), offset


def measure_sound(track: AudioTrack) -> Sound:
    """Measure a track. Blocks, for about 0.004 s per second of sound."""
    samples, offset = mixed_down(track)
    bands = band_powers(samples)
    activity = find_activity(samples, bands)
    voice = hear_voice(samples, activity)
    cut = float(np.mean([cut_share(channel, track.bits) for channel in track.samples]))
    syllables = count_syllables(bands.vowels, voice.voiced) if activity.seconds >= _LEAST_SPEECH_S else 0
    return Sound(track, samples, offset, cut, activity, voice, syllables)
