"""Every frame has its window, whatever the rate, the length and the cuts of the speech."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.engines.wav2lip.mel import RATE, mel_spectrogram
from comps.animation.engines.wav2lip.windows import LOOK_AHEAD_S, Windows, WindowStream, original_starts
from tests.neural.parity import fixture


def speech(samples: int, rate: int = RATE) -> np.ndarray:
    """A voice-like buzz, int16 `[samples]`, loud from the first sample to the last."""
    t = np.arange(samples) / rate
    buzz = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 12))
    return np.asarray(buzz * (5000 + 2000 * np.sin(2 * np.pi * 4 * t)), np.int16)


def windows(pcm: np.ndarray, rate: int, fps: int, cuts: list[int] | None = None, gate: bool = False) -> Windows:
    stream = WindowStream(rate, fps, gate)
    parts = [stream.feed(piece) for piece in np.split(pcm, cuts or [])]
    whole = parts[0]
    for part in [*parts[1:], stream.finish()]:
        assert part.first == whole.first + len(whole)
        whole = whole.then(part)
    return whole


CASES = [key for key in fixture("wav2lip_chunks") if key.startswith("starts_")]


@pytest.mark.parametrize("case", CASES)
def test_parity_starts_are_the_originals(case: str) -> None:
    fps, columns = case.removeprefix("starts_fps").split("_n")
    assert original_starts(int(columns), float(fps)) == fixture("wav2lip_chunks")[case].tolist()


def test_a_mel_too_short_for_one_window_is_refused() -> None:
    with pytest.raises(ValueError, match="silence"):
        original_starts(15, 25)


@pytest.mark.parametrize("fps", [10, 24, 25, 30, 60])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 48000])
@pytest.mark.parametrize("seconds", [0.001, 0.1, 0.199, 1.0, 2.34])
def test_the_video_is_as_long_as_the_speech(seconds: float, rate: int, fps: int) -> None:
    samples = round(seconds * rate)
    found = windows(speech(samples, rate), rate, fps)
    assert found.first == 0
    assert len(found) == math.ceil(samples * fps / rate)


def test_no_speech_has_no_frames() -> None:
    assert len(windows(np.zeros(0, np.int16), RATE, 25)) == 0


@pytest.mark.parametrize("fps", [25, 30])
def test_windows_begin_where_the_originals_begin(fps: int) -> None:
    """And hold its numbers, up to where the original has no sound but this has silence."""
    pcm = speech(2 * RATE)
    mel = mel_spectrogram(pcm.astype(np.float32) / 32768)
    found = windows(pcm, RATE, fps)
    for frame, begin in enumerate(original_starts(mel.shape[1], fps)[:-1]):
        reflected = begin + 16 > mel.shape[1] - 3
        if not reflected:
            np.testing.assert_allclose(found.mel[frame], mel[:, begin : begin + 16], rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 12000), st.lists(st.integers(1, 5000), max_size=12), st.sampled_from([16000, 22050]), st.booleans()
)
def test_it_does_not_matter_where_the_speech_is_cut(samples: int, lengths: list[int], rate: int, gate: bool) -> None:
    pcm = speech(samples, rate)
    pcm[samples // 3 : samples // 2] = 0
    cuts = [int(cut) for cut in np.cumsum(lengths) if cut < samples]
    pieces, whole = windows(pcm, rate, 25, cuts, gate), windows(pcm, rate, 25, gate=gate)
    np.testing.assert_allclose(pieces.mel, whole.mel, rtol=0, atol=1e-4)
    assert (pieces.resting == whole.resting).all()


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
def test_a_frame_waits_no_longer_than_is_stated(rate: int) -> None:
    stream, pcm, frames = WindowStream(rate, 25), speech(3 * rate, rate), 0
    step = rate // 100
    for at in range(0, len(pcm), step):
        frames += len(stream.feed(pcm[at : at + step]))
        heard = (at + step) / rate
        assert frames >= 1 + math.floor((heard - LOOK_AHEAD_S) * 25), heard


def test_memory_does_not_grow_with_the_speech() -> None:
    stream, second = WindowStream(22050, 25), speech(22050, 22050)
    for _ in range(60):
        stream.feed(second)
    held = [value for value in vars(stream).values() if isinstance(value, np.ndarray)]
    held += [value for value in vars(stream._mel).values() if isinstance(value, np.ndarray)]
    assert sum(array.nbytes for array in held) < 50_000


def test_noise_below_speech_is_digital_silence_to_the_network() -> None:
    noise = (np.random.default_rng(1).normal(size=2 * RATE) * 32767 * 10 ** (-55 / 20)).astype(np.int16)
    found = windows(noise, RATE, 25, gate=True)
    assert (found.mel == -4).all()
    assert found.resting.all()
    assert (windows(noise, RATE, 25).mel > -4).any()


def test_the_gate_leaves_speech_as_it_is_and_rests_where_none_is_heard() -> None:
    pcm = np.concatenate([speech(RATE), np.zeros(RATE, np.int16), speech(RATE)])
    open_, gated = windows(pcm, RATE, 25), windows(pcm, RATE, 25, gate=True)
    assert (gated.mel[:18] == open_.mel[:18]).all()
    # 100 ms of hold after the sound, 200 ms of window before the next
    assert gated.resting[30:44].all()
    assert not gated.resting[:25].any()
    assert not gated.resting[46:70].any()
