from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.animation.coach.sound.activity import Activity, find_activity
from comps.animation.coach.sound.bands import band_powers
from comps.animation.coach.sound.clipping import clipped
from comps.animation.coach.sound.denoise import FilterDenoiser, choose_denoiser
from comps.animation.coach.sound.filters import filtered
from comps.animation.coach.sound.levels import HOP, RATE, noise_floor
from comps.animation.coach.sound.loudness import PEAK_DBFS, TARGET_DBFS, limited, loudened
from comps.animation.coach.sound.pauses import shortened
from comps.animation.coach.sound.syllables import count_syllables
from comps.animation.coach.sound.wiener import cleaned
from comps.core.errors import EngineUnavailableError, UnknownChoiceError
from tests.animation.coach.sounds import Audio, decibels, room, speech, with_noise

MADE = speech(2)


def activity_of(samples: Audio) -> Activity:
    return find_activity(samples, band_powers(samples))


def hops(active: np.ndarray) -> np.ndarray:
    return active[: len(active) // HOP * HOP].reshape(-1, HOP).mean(1) > 0.5


@pytest.mark.parametrize(("snr", "agree"), [(60, 0.97), (12, 0.96), (6, 0.92), (0, 0.85)])
@pytest.mark.parametrize("pink", [False, True])
def test_speech_is_found_in_noise(snr: float, agree: float, pink: bool) -> None:
    noisy = with_noise(MADE, room(len(MADE.audio), 4, pink), MADE.level - snr)
    found = activity_of(noisy.audio)
    assert (found.mask == hops(MADE.active)).mean() > agree
    assert found.level == pytest.approx(MADE.level, abs=0.7)
    if snr < 20:
        assert found.noise == pytest.approx(MADE.level - snr, abs=0.7)


@pytest.mark.parametrize("samples", [0, 1, HOP - 1, HOP, 3 * HOP])
def test_hardly_any_samples(samples: int) -> None:
    found = activity_of(np.full(samples, 0.1, np.float32))
    assert len(found.mask) == samples // HOP
    assert count_syllables(band_powers(np.zeros(samples, np.float32)).vowels, np.ones(samples // HOP, bool)) == 0


@pytest.mark.parametrize("level", [-60.0, -30.0, -10.0])
def test_steady_noise_is_no_speech(level: float) -> None:
    noise = room(5 * RATE, 8) * np.float32(10 ** (level / 20))
    assert not activity_of(noise).mask.any()
    assert noise_floor(noise) == pytest.approx(level, abs=1.5)


def test_pauses_have_their_places() -> None:
    mask = activity_of(MADE.audio)
    true = np.flatnonzero(np.diff(hops(MADE.active).astype(int)))[1:-1]
    assert np.abs(np.array(mask.pauses()).ravel() - (true + 1)).max() <= 3


@pytest.mark.parametrize("rate", [1.5, 3.0, 5.5, 8.0])
def test_syllables_of_a_modulated_buzz(rate: float) -> None:
    time = np.arange(4 * RATE) / RATE
    buzz = np.sign(np.sin(2 * np.pi * 140 * time)) * (0.5 - 0.5 * np.cos(2 * np.pi * rate * time)) * 0.3
    vowels = band_powers(buzz.astype(np.float32)).vowels
    assert count_syllables(vowels, np.ones(len(vowels), bool)) == pytest.approx(4 * rate, abs=1)
    assert count_syllables(vowels, np.zeros(len(vowels), bool)) == 0


@pytest.mark.parametrize(("gain", "after"), [(1.5, 1.0), (2.5, 1.0), (2.5, 0.6), (4.0, 0.3)])
def test_cut_tops_are_counted_also_below_full_scale(gain: float, after: float) -> None:
    loud = MADE.audio * np.float32(gain)
    mask = clipped(np.clip(loud, -1, 1) * np.float32(after), 16)
    assert mask.mean() == pytest.approx((np.abs(loud) >= 1).mean(), abs=3e-4)


def test_natural_tops_are_not_cut() -> None:
    assert clipped(MADE.audio, 16).sum() <= 1
    assert not clipped(np.zeros(100, np.float32), 16).any()
    assert clipped(np.round(MADE.audio * 127).astype(np.float32) / 127 * 0.9, 8).sum() == 0
    tone = 0.8 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    assert clipped(tone.astype(np.float32), 16).mean() < 1e-3


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 30.0), st.integers(0, 5000))
def test_the_limiter_never_passes_its_limit(seed: int, gain: float, count: int) -> None:
    samples = (np.random.default_rng(seed).standard_normal(count) ** 3 * gain * 0.1).astype(np.float32)
    made = limited(samples)
    assert made.shape == samples.shape
    assert np.abs(made).max(initial=0) <= 10 ** (PEAK_DBFS / 20) * 1.0001
    assert (np.abs(made) <= np.abs(samples) + 1e-7).all()
    assert (np.sign(made) == np.sign(samples))[np.abs(samples) > 1e-6].all()


def test_the_limiter_turns_down_instead_of_cutting() -> None:
    time = np.arange(RATE) / RATE
    quiet, loud = 0.2 * np.sin(2 * np.pi * 300 * time), 2.0 * np.sin(2 * np.pi * 300 * time)
    burst = np.concatenate([quiet, loud[:4000], quiet]).astype(np.float32)
    made = limited(burst)
    assert np.array_equal(made[: RATE - 800], burst[: RATE - 800])
    assert np.array_equal(made[RATE + 4800 :], burst[RATE + 4800 :])
    inside = slice(RATE + 800, RATE + 3200)
    assert np.allclose(made[inside] / 0.8913, burst[inside] / 2, atol=0.02)  # a sine still
    assert clipped(made, 16).mean() < 1e-3


@pytest.mark.parametrize("level", [-45.0, -25.0, -12.0])
def test_speech_comes_to_the_target(level: float) -> None:
    scaled = MADE.audio * np.float32(10 ** ((level - MADE.level) / 20))
    made, gain = loudened(scaled, activity_of(scaled))
    assert activity_of(made).level == pytest.approx(TARGET_DBFS, abs=0.15)
    assert gain == pytest.approx(TARGET_DBFS - level, abs=0.5)
    assert np.abs(made).max() <= 10 ** (PEAK_DBFS / 20) + 1e-4


def test_silence_is_not_made_loud() -> None:
    quiet = np.zeros(RATE, np.float32)
    assert loudened(quiet, activity_of(quiet)) == (pytest.approx(quiet), 0.0)


def test_long_pauses_become_short_and_speech_stays() -> None:
    mask = np.zeros(1000, bool)
    mask[100:300] = mask[700:900] = True
    samples = np.repeat(np.arange(1000), HOP).astype(np.float32)
    kept = shortened(samples, mask, most_pause_s=2.0)
    assert set(range(100, 300)) | set(range(700, 900)) <= set(kept.astype(int).tolist())
    assert len(kept) / RATE == pytest.approx(0.3 + 2 + 0.8 + 2 + 0.3, abs=0.02)


def test_short_pauses_go_only_when_there_is_too_much_silence() -> None:
    mask = np.tile(np.repeat([True, False], [80, 50]), 8)
    samples = np.ones(len(mask) * HOP, np.float32)
    kept = shortened(samples, mask)
    assert len(kept) < 0.9 * len(samples)
    assert mask.sum() * HOP / len(kept) > 0.7
    lively = np.tile(np.repeat([True, False], [80, 25]), 8)
    assert len(shortened(samples[: len(lively) * HOP], lively)) >= (len(lively) - 25) * HOP


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("speech_hops", "pause_hops"), [(400, 300), (80, 40), (25, 40)])
def test_what_is_heard_in_a_pause_is_kept_when_it_is_shortened(speech_hops: int, pause_hops: int, at: float) -> None:
    """A soft sound or a splinter of a word, too short to count as speech, 10 dB above the room."""
    mask = np.tile(np.repeat([True, False], [speech_hops, pause_hops]), 5)[:-pause_hops]
    level = np.repeat(np.where(mask, -20.0, -60.0), HOP)
    place = (speech_hops + round(at * pause_hops)) * HOP
    level[place : place + 2 * HOP] = -50.0
    samples = (room(len(level), 5) * 10 ** (level / 20)).astype(np.float32)
    kept = shortened(samples, mask)
    assert len(kept) < 0.95 * len(samples)
    assert samples[place : place + 2 * HOP].tobytes() in kept.tobytes()


def test_ends_of_little_more_than_is_left_stay() -> None:
    """Where speech begins in noise is told anew after a repair: a second one must not cut again."""
    mask = np.repeat([False, True, False], [38, 400, 35])
    samples = np.ones(len(mask) * HOP, np.float32)
    assert len(shortened(samples, mask)) == len(samples)


def test_no_more_is_cut_than_a_recording_must_last() -> None:
    mask = np.repeat([False, True, False], [300, 25, 300])
    assert len(shortened(np.ones(len(mask) * HOP, np.float32), mask)) >= 0.5 * RATE


@pytest.mark.parametrize("reduction", [6.0, 15.0])
def test_the_wiener_filter_takes_noise_from_pauses_and_leaves_speech(reduction: float) -> None:
    noisy = with_noise(MADE, room(len(MADE.audio), 3), MADE.level - 8)
    active = hops(MADE.active)
    made = cleaned(noisy.audio, active, reduction, 0.0)
    assert made.shape == noisy.audio.shape
    far = np.repeat(~np.convolve(active, np.ones(31), "same").astype(bool), HOP)
    pauses = np.flatnonzero(far)
    assert decibels(noisy.audio[pauses]) - decibels(made[pauses]) == pytest.approx(reduction, abs=1.5)
    inside = np.flatnonzero(MADE.active)
    assert np.corrcoef(made[inside], noisy.audio[inside])[0, 1] > 0.999


def test_the_wiener_filter_without_a_pause_or_sound() -> None:
    always = np.ones(len(MADE.audio) // HOP, bool)
    assert np.isfinite(cleaned(MADE.audio, always, 12.0, 3.0)).all()
    assert np.abs(cleaned(np.zeros(4000, np.float32), np.zeros(25, bool), 12.0, 3.0)).max() == 0


def test_the_denoiser_of_the_base_install() -> None:
    noisy = with_noise(MADE, room(len(MADE.audio), 3), MADE.level - 4)
    made = FilterDenoiser().clean(noisy.audio, activity_of(noisy.audio))
    after = activity_of(made)
    assert after.level - after.noise > 12.5


def test_denoisers_are_chosen_by_name() -> None:
    assert choose_denoiser("wiener").name == "wiener"
    assert choose_denoiser().name in ("wiener", "rnnoise")
    with pytest.raises(UnknownChoiceError, match="rnnoise, wiener"):
        choose_denoiser("magic")


def test_a_denoiser_that_is_not_installed_says_how_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comps.animation.coach.sound.denoise.find_spec", lambda name: None)
    with pytest.raises(EngineUnavailableError, match=r"pip install 'avatarchatbot\[coach-denoise\]'"):
        choose_denoiser("rnnoise")
    assert choose_denoiser().name == "wiener"


def test_filters_of_ffmpeg_keep_length_and_place() -> None:
    same = filtered(MADE.audio, RATE, "volume", "volume=0.5")
    assert np.allclose(same, MADE.audio / 2, atol=1e-6)
    twice = filtered(MADE.audio, RATE, "atempo", "tempo=0.5")
    assert len(twice) == pytest.approx(2 * len(MADE.audio), rel=0.02)
    assert len(filtered(np.zeros(0, np.float32), RATE, "volume", "volume=1")) == 0
