"""A recording against its rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from comps.animation.coach.finding import Finding, Measured, Report, Rule
from comps.animation.coach.sound import rules
from comps.animation.coach.sound.measure import Sound, measure_sound
from comps.core.errors import AvatarError, TooLargeError
from comps.core.media.audio import AudioTrack, read_track
from comps.core.media.silence import is_silent

MAX_SECONDS = rules.TOO_LONG.most or 0.0
"""About 700 MB at 48 kHz in two channels."""


def check_audio(data: bytes, *, max_seconds: float = MAX_SECONDS) -> Report:
    """Measure a recording in any container and codec that PyAV reads, and say which rules it breaks.

    Blocks: about 0.005 s per second of sound on one core, more for rates above 16 kHz. Raises nothing on account of `data`.

    Args:
        data: the file.
        max_seconds: a longer recording is not listened to, which is a warning.
    """
    try:
        track = read_track(data, max_seconds=max_seconds)
    except TooLargeError as error:
        rule = replace(rules.TOO_LONG, most=max_seconds)
        return Report({}, (Finding(rule, f"more than {max_seconds:g}", error.message),))
    except AvatarError as error:
        return Report({}, (Finding(rules.UNREADABLE, "no", error.message),))
    return report_on(measure_sound(track))


def report_on(sound: Sound) -> Report:
    """The rules that a measured sound breaks, errors first."""
    return Report(measured_of(sound), tuple(_findings(sound)))


def measured_of(sound: Sound) -> dict[str, Measured]:
    """Every measured value by name, rounded to what it is good for; names end in their unit."""
    track, activity, voice = sound.track, sound.activity, sound.voice
    return {
        "container": track.container,
        "codec": track.codec,
        "rate_hz": track.rate,
        "depth_bits": track.bits,
        "channels": track.samples.shape[0],
        "length_s": round(sound.seconds, 3),
        "speech_s": round(activity.seconds, 2),
        "level_dbfs": round(activity.level, 2),
        "noise_dbfs": round(activity.floor, 2),
        "snr_db": round(sound.snr, 2),
        "clipped_percent": round(100 * sound.clipped, 4),
        "silence_percent": round(100 * sound.silence, 2),
        "longest_pause_s": round(sound.longest_pause, 2),
        "syllables": sound.syllables,
        "tempo_per_s": round(sound.tempo, 2),
        "offset_percent": round(100 * abs(sound.offset), 3),
        "voiced_percent": round(100 * sound.voiced, 1),
        "pitch_hz": round(voice.pitch_hz, 1),
        "pitch_spread_semitones": round(voice.spread, 2),
        "arousal": round(voice.arousal, 2),
    }


def _findings(sound: Sound) -> Iterator[Finding]:
    if not rules.TOO_SHORT.passes(sound.seconds):
        yield _finding(rules.TOO_SHORT, round(sound.seconds, 3), "the recording is {:g} s long")
        return
    speech = 0.0 if is_silent(sound.samples) else sound.activity.seconds
    if not rules.NO_SPEECH.passes(speech):
        yield _finding(rules.NO_SPEECH, round(speech, 2), "speech was found for {:g} s")
        return
    yield from _of_file(sound.track, sound)
    yield from _of_speech(sound)


def _of_file(track: AudioTrack, sound: Sound) -> Iterator[Finding]:
    """What holds of any sound, speech or not."""
    if not rules.RATE.passes(track.rate):
        yield _finding(rules.RATE, track.rate, "the file has {:d} samples per second")
    if track.bits and not rules.DEPTH.passes(track.bits):
        yield _finding(rules.DEPTH, track.bits, "the file stores {:d} bits per sample")
    for rule, value, sentence in (
        (rules.CLIPPED, round(100 * sound.clipped, 4), "{:.2g} % of the samples are cut off"),
        (rules.DC, round(100 * abs(sound.offset), 3), "the waveform lies {:.2g} % off its middle"),
    ):
        if not rule.passes(value):
            yield _finding(rule, value, sentence)


def _of_speech(sound: Sound) -> Iterator[Finding]:
    activity = sound.activity
    for rule, value, sentence in (
        (rules.NO_VOICE, round(100 * sound.voiced, 1), "only {:g} % of what is heard is voiced"),
        (rules.NOISE, round(activity.floor, 2), "the background is at {:.1f} dBFS"),
        (rules.SNR, round(sound.snr, 2), "the speech is {:.1f} dB above the background"),
        (rules.QUIET, round(activity.level, 2), "the speech is at {:.1f} dBFS"),
        (rules.SILENCE, round(100 * sound.silence, 2), "nobody speaks for {:.0f} % of the time"),
        (rules.PAUSE, round(sound.longest_pause, 2), "one pause lasts {:.1f} s"),
        (rules.TEMPO, round(sound.tempo, 2), "{:.1f} syllables are said per second"),
    ):
        if not rule.passes(value):
            yield _finding(rule, value, sentence)


def _finding(rule: Rule, value: float, sentence: str) -> Finding:
    return Finding(rule, value, f"{sentence.format(value)}; {rule.bounds()} is wanted")
