"""Tops that were cut off before a lossy codec rounded them: told, counted and drawn anew."""

from __future__ import annotations

import tracemalloc
import wave
from functools import cache
from io import BytesIO

import numpy as np
import pytest

from comps.animation.coach.sound.check import check_audio
from comps.animation.coach.sound.clipping import cut_share
from comps.animation.coach.sound.denoise import FilterDenoiser
from comps.animation.coach.sound.repair import repair_audio
from comps.animation.coach.sound.rounded_tops import find_rounded_tops
from comps.animation.coach.sound.tones import are_tones
from comps.core.media.audio import AudioFormat, encode_audio
from tests.animation.coach.sounds import RATE, VOICES, Audio, speech

CODECS: tuple[AudioFormat, ...] = ("mp3", "aac", "opus")
HELD_OUT = (3, 5)
"""Voices on which no bound was set."""
POINTS = 1.0


@cache
def said(index: int) -> Audio:
    return speech(index, VOICES[index], sentences=2).audio


def cut(index: int, share: float, after: float) -> Audio:
    """With `share` percent of the samples cut off and turned down to `after` of full scale."""
    top = np.quantile(np.abs(said(index)), 1 - share / 100)
    return np.asarray(np.clip(said(index) / top, -1, 1) * after, np.float32)


def coded(audio: Audio, fmt: AudioFormat) -> bytes:
    return encode_audio(np.rint(audio * 32767).astype(np.int16), RATE, fmt)


@pytest.mark.parametrize("fmt", CODECS)
@pytest.mark.parametrize(("share", "after"), [(3.0, 1.0), (3.0, 0.7), (8.0, 0.8)])
def test_cut_tops_are_counted_after_a_codec(share: float, after: float, fmt: AudioFormat) -> None:
    for index in HELD_OUT:
        report = check_audio(coded(cut(index, share, after), fmt))
        assert "audio_clipped" in report.codes()
        assert report.measured["clipped_percent"] == pytest.approx(share, abs=POINTS)


@pytest.mark.parametrize("fmt", CODECS)
def test_natural_and_limited_tops_are_not_cut(fmt: AudioFormat) -> None:
    for index in HELD_OUT:
        report = check_audio(coded(said(index), fmt))
        assert "audio_clipped" not in report.codes()
        # A codec can carry a sample or two of the highest peak beyond full scale, where they are cut off indeed.
        assert report.measured["clipped_percent"] < 0.005


@pytest.mark.parametrize("fmt", ["mp3", "opus"])
def test_rounded_tops_are_drawn_anew(fmt: AudioFormat) -> None:
    mended = repair_audio(coded(cut(5, 3.0, 0.8), fmt), denoiser=FilterDenoiser())
    assert mended.before.codes() == {"audio_clipped"}
    assert mended.after.findings == ()
    assert "redrew the tops that were cut off" in mended.steps


@pytest.mark.parametrize("share", [1.0, 3.0])
def test_tops_that_are_cut_exactly_are_counted_exactly(share: float) -> None:
    assert 100 * cut_share(cut(3, share, 0.8), 16) == pytest.approx(share, abs=0.02)


def tone(hertz: float, rate: int, on: float, noise_db: float = -200.0) -> Audio:
    """Three seconds with a tone in the first `on` of each, in noise of a level in dBFS."""
    time = np.arange(3 * rate) / rate
    noise = np.random.default_rng(0).normal(scale=10 ** (noise_db / 20), size=len(time))
    return np.asarray(0.7 * np.sin(2 * np.pi * hertz * time) * (time % 1 < on) + noise, np.float32)


@pytest.mark.parametrize("on", [0.05, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("hertz", [223.0, 440.0, 997.0, 2950.0])
def test_a_tone_is_not_cut(hertz: float, on: float) -> None:
    for rate in (8_000, 16_000, 48_000):
        assert cut_share(tone(hertz, rate, on), 16) == 0
        assert cut_share(tone(hertz, rate, on, noise_db=-40), 16) == 0


@pytest.mark.parametrize("fmt", CODECS)
def test_beeps_are_not_cut_after_a_codec_either(fmt: AudioFormat) -> None:
    for hertz in (223.0, 997.0):  # two samples of one step can touch: the rule begins at 0.1
        assert check_audio(coded(tone(hertz, RATE, 0.2), fmt)).measured["clipped_percent"] < 0.01


def test_a_long_tone_is_told_by_little_memory_and_alike_to_its_end() -> None:
    long = np.tile(tone(440.0, 8_000, 1.0), 200)
    tracemalloc.start()
    try:
        assert are_tones(long, 0.6)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * len(long)
    noise = np.random.default_rng(1).normal(size=len(long)).astype(np.float32)
    half = len(long) // 2
    assert are_tones(np.concatenate([0.1 * noise[:half], long[half:]]), 0.6)
    assert not are_tones(np.concatenate([long[:half], noise[half:]]), 0.6)


def test_cut_speech_between_beeps_is_counted() -> None:
    beeps = tone(440.0, RATE, 0.2) / 0.7 * 0.8
    whole = np.concatenate([cut(5, 3.0, 0.8), beeps])
    found = find_rounded_tops(whole, 16)
    assert found is not None
    assert found.level == pytest.approx(0.8, rel=0.1)


@pytest.mark.parametrize("samples", [0, 1, 100])
def test_silence_has_no_tops(samples: int) -> None:
    assert find_rounded_tops(np.zeros(samples, np.float32), 16) is None
    assert cut_share(np.zeros(samples, np.float32), 16) == 0


def last_bit(samples: int) -> Audio:
    """A silent channel as dither leaves it: one step of 16 bits up or down in a fifth of the samples."""
    random = np.random.default_rng(1)
    return (random.choice([-1, 0, 1], samples, p=[0.1, 0.8, 0.1]) / 32768).astype(np.float32)


def test_quiet_channels_and_coarse_steps_have_no_tops() -> None:
    dither = last_bit(RATE)
    assert find_rounded_tops(dither, 16) is None
    assert cut_share(dither, 16) == 0
    coarse = dither * np.float32(0.5 * 32768)
    assert find_rounded_tops(coarse, 16) is not None
    assert find_rounded_tops(coarse, 8) is None
    lone = dither * np.float32(0.06 * 32768)
    lone[100] = 0.12
    assert find_rounded_tops(lone, 16) is None


@pytest.mark.parametrize("largest", [1e-45, 1e-38, 1e-30])
def test_the_smallest_floats_are_silence(largest: float) -> None:
    channel = np.zeros(RATE, np.float32)
    channel[::3] = largest
    assert find_rounded_tops(channel, 32) is None
    assert cut_share(channel, 32) == 0


def stereo(left: Audio, right: Audio) -> bytes:
    file = BytesIO()
    with wave.open(file, "wb") as made:
        made.setnchannels(2)
        made.setsampwidth(2)
        made.setframerate(RATE)
        made.writeframes(np.rint(np.stack([left, right], 1).clip(-1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def test_speech_beside_a_silent_channel_is_not_cut() -> None:
    left = said(3)
    report = check_audio(stereo(left, last_bit(len(left))))
    assert report.measured["clipped_percent"] == 0
    assert "audio_clipped" not in report.codes()


def test_mending_one_channel_leaves_the_silent_one_silent() -> None:
    left = cut(3, 3.0, 0.8)
    mended = repair_audio(stereo(left, last_bit(len(left))), denoiser=FilterDenoiser())
    alone = repair_audio(stereo(left, np.zeros_like(left)), denoiser=FilterDenoiser())
    assert "redrew the tops that were cut off" in mended.steps
    assert mended.after.findings == ()
    assert mended.after.measured["snr_db"] == pytest.approx(alone.after.measured["snr_db"], abs=1.0)
