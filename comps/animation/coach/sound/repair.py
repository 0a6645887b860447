"""Mends what can be mended of a recording: offset, cut tops, noise, silence, loudness, rate and depth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from comps.animation.coach.finding import Report
from comps.animation.coach.sound import rules
from comps.animation.coach.sound.activity import Activity, find_activity
from comps.animation.coach.sound.bands import band_powers
from comps.animation.coach.sound.check import MAX_SECONDS, check_audio, report_on
from comps.animation.coach.sound.clipping import clipped
from comps.animation.coach.sound.denoise import Denoiser, choose_denoiser
from comps.animation.coach.sound.filters import filtered
from comps.animation.coach.sound.levels import RATE, Samples
from comps.animation.coach.sound.loudness import loudened
from comps.animation.coach.sound.measure import measure_sound, mixed_down
from comps.animation.coach.sound.pauses import shortened
from comps.animation.coach.sound.rounded_tops import find_rounded_tops
from comps.core.errors import AvatarError, UnprocessableError
from comps.core.media.audio import AudioTrack, encode_audio, read_track

_NOISY_DB = 13.0
"""Speech that is further above the noise is left as it is: no denoiser takes nothing but noise."""
_LARGE_GAIN_DB = 12.0
_SHIFT_S = 0.05
_ROUNDED_FROM = 0.95
"""Share of their level from which rounded tops are drawn anew."""
_HOPELESS = (rules.UNREADABLE, rules.TOO_LONG, rules.TOO_SHORT, rules.NO_SPEECH)


@dataclass(frozen=True, slots=True)
class RepairedAudio:
    """A mended recording.

    Args:
        data: a WAV file, 16 kHz, mono, 16 bit.
        steps: what was done, a sentence each; empty when nothing but the format changed.
        before: the report of the original.
        after: the report of `data`.
    """

    data: bytes
    steps: tuple[str, ...]
    before: Report
    after: Report


def repair_audio(data: bytes, *, denoiser: Denoiser | None = None, max_seconds: float = MAX_SECONDS) -> RepairedAudio:
    """Mend a recording as far as its rules say it needs it; `data` itself stays as it is.

    Blocks, for about 0.02 s per second of sound.

    Args:
        data: the file.
        denoiser: what takes the noise out; None for the best one installed.
        max_seconds: a longer recording is refused.

    Raises:
        UnprocessableError: there is nothing to mend: the file cannot be read, is too long or too short, or nobody speaks.
    """
    track = _readable(data, max_seconds)
    sound = measure_sound(track)
    before = report_on(sound)
    hopeless = next((finding for finding in before.findings if finding.rule in _HOPELESS), None)
    if hopeless:
        raise UnprocessableError(f"the recording cannot be mended: {hopeless.message}", param="audio")
    work = _Work(before)
    samples = work.declip(track, sound.samples)
    samples, activity = work.denoise(samples, find_activity(samples, band_powers(samples)), denoiser)
    samples, activity = work.trim(samples, activity)
    # With less silence the noise can turn out a little louder than it seemed.
    samples, activity = work.denoise(samples, activity, denoiser)
    samples = work.louden(samples, activity)
    made = encode_audio(np.rint(np.clip(samples, -1, 1) * 32767).astype(np.int16), RATE, "wav")
    return RepairedAudio(made, (*work.steps, *work.format_steps(track)), before, check_audio(made))


def _readable(data: bytes, max_seconds: float) -> AudioTrack:
    try:
        return read_track(data, max_seconds=max_seconds)
    except AvatarError as error:
        raise UnprocessableError(f"the recording cannot be mended: {error.message}", param="audio") from error


class _Work:
    """The steps of one repair, in order."""

    def __init__(self, before: Report) -> None:
        self._broken = before.codes()
        self._denoised = False
        self.steps: list[str] = []
        if rules.DC.code in self._broken:
            self.steps.append(f"took away an offset of {before.measured['offset_percent']:g} %")

    def declip(self, track: AudioTrack, samples: Samples) -> Samples:
        if rules.CLIPPED.code not in self._broken:
            return samples
        self.steps.append("redrew the tops that were cut off")
        return mixed_down(_declipped(track))[0]

    def denoise(self, samples: Samples, activity: Activity, denoiser: Denoiser | None) -> tuple[Samples, Activity]:
        if self._denoised or activity.level - activity.noise >= _NOISY_DB:
            return samples, activity
        self._denoised = True
        chosen = denoiser or choose_denoiser()
        self.steps.append(f"took noise out, by {chosen.name}")
        cleaned = chosen.clean(samples, activity)
        return cleaned, find_activity(cleaned, band_powers(cleaned))

    def trim(self, samples: Samples, activity: Activity) -> tuple[Samples, Activity]:
        kept = shortened(samples, activity.mask)
        if len(samples) - len(kept) < _SHIFT_S * RATE:
            return samples, activity
        self.steps.append(f"cut out {(len(samples) - len(kept)) / RATE:.1f} s of silence")
        return kept, find_activity(kept, band_powers(kept))

    def louden(self, samples: Samples, activity: Activity) -> Samples:
        made, gain = loudened(samples, activity)
        if abs(gain) >= 0.1:
            large = "; so much brings up what noise there is" if gain > _LARGE_GAIN_DB else ""
            self.steps.append(f"changed the level by {gain:+.1f} dB{large}")
        return made

    def format_steps(self, track: AudioTrack) -> list[str]:
        """What writing 16-bit mono at 16 kHz changes."""
        steps = []
        if track.rate != RATE:
            steps.append(f"resampled from {track.rate} Hz to {RATE} Hz")
        if len(track.samples) > 1:
            steps.append(f"mixed {len(track.samples)} channels into one")
        if rules.DEPTH.code in self._broken:
            steps.append(f"stored with 16 bits instead of {track.bits}")
        return steps


def _declipped(track: AudioTrack) -> AudioTrack:
    """The track with its cut tops redrawn, quieter by what they need."""
    channels = [filtered(_at_full_scale(channel, track.bits), track.rate, "adeclip") for channel in track.samples]
    count = min(len(channel) for channel in channels)
    return replace(track, samples=np.stack([channel[:count] for channel in channels]))


def _at_full_scale(channel: Samples, bits: int) -> Samples:
    """Tops that were cut below full scale, where the filter does not look for them, brought there."""
    rounded = find_rounded_tops(channel, bits)
    mask = clipped(channel, bits)
    if rounded is not None and mask.mean() < rounded.share:
        full: Samples = np.clip(channel / (_ROUNDED_FROM * rounded.level), -1, 1).astype(np.float32)
        return full
    if not mask.any():
        return channel
    full = np.clip(channel / np.abs(channel[mask]).min(), -1, 1).astype(np.float32)
    return full
