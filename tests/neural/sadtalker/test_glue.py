"""What stands between the networks gives the numbers the original's does, whole and in pieces."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.engines.sadtalker.blinks import BlinkStream, blink_ratios
from comps.animation.engines.sadtalker.camera import camera_angles
from comps.animation.engines.sadtalker.smoothing import SmoothStream, smoothed
from comps.animation.engines.sadtalker.windows import LOOK_AHEAD_S, SAMPLES, WindowStream, window_columns
from comps.animation.engines.wav2lip.mel import mel_spectrogram
from tests.neural.parity import assert_close, fixture


def glue() -> dict[str, Any]:
    return fixture("sadtalker_glue")


def pieces(rows: NDArray[Any], seed: int) -> list[NDArray[Any]]:
    """`rows` cut at random places, some pieces empty."""
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(rows) + 1, 9))
    return np.split(rows, cuts)


@pytest.mark.parametrize("frames", [1, 10, 25, 62])
def test_mel_columns_of_every_window(frames: int) -> None:
    expected = glue()
    found = window_columns(frames, int(expected["mel_window_mel_frames"]))
    np.testing.assert_array_equal(found, expected[f"mel_window_idx_n{frames}"])


def test_whole_frames_are_heard_as_the_original_hears_them() -> None:
    """It drops the rest of the audio; here a last frame begins with it."""
    expected = glue()
    for samples, (used, frames) in zip(expected["audio_samples"], expected["audio_samples_used_frames"], strict=True):
        stream = WindowStream(16_000)
        heard = len(stream.feed(np.zeros(samples, np.int16))) + len(stream.finish())
        assert used == frames * SAMPLES
        assert heard == frames + (samples > used)


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_windows_in_pieces_are_those_of_the_whole(rate: int) -> None:
    speech = (np.random.default_rng(1).normal(size=rate * 2 + 77) * 3000).astype(np.int16)
    whole = WindowStream(rate)
    expected = np.concatenate([whole.feed(speech), whole.finish()])
    stream = WindowStream(rate)
    found = [stream.feed(piece) for piece in pieces(speech, 2)]
    np.testing.assert_array_equal(np.concatenate([*found, stream.finish()]), expected)
    assert len(expected) == 51


def test_windows_of_whole_frames_are_cut_from_the_mel_of_all_audio() -> None:
    speech = (np.random.default_rng(3).normal(size=40 * SAMPLES) * 3000).astype(np.int16)
    stream = WindowStream(16_000)
    found = np.concatenate([stream.feed(speech), stream.finish()])
    mel = mel_spectrogram(speech.astype(np.float32) / 32768)
    expected = mel[:, window_columns(40, mel.shape[1])].transpose(1, 0, 2)
    assert_close(found, expected, 1e-6)


def test_a_window_is_whole_after_the_look_ahead() -> None:
    speech = np.zeros(16_000 * 3, np.int16)
    stream = WindowStream(16_000)
    heard = 0
    for start in range(0, len(speech), 160):
        heard += len(stream.feed(speech[start : start + 160]))
        due = int(((start + 160) / 16_000 - LOOK_AHEAD_S) * 25)
        assert heard >= due
    assert stream._kept.shape[1] < 40


@pytest.mark.parametrize(("frames", "seed"), [(20, 0), (22, 0), (62, 1), (250, 2), (600, 3)])
def test_blinks_of_the_same_seed(frames: int, seed: int) -> None:
    np.testing.assert_array_equal(blink_ratios(frames, random.Random(seed)), glue()[f"blink_n{frames}_seed{seed}"])


def test_no_length_of_clip_breaks_the_blinks() -> None:
    for frames in (0, 1, 20, 21):
        assert not blink_ratios(frames, random.Random(0)).any()
    assert all(len(blink_ratios(frames, random.Random(frames))) == frames for frames in range(22, 200))


def test_blinks_in_pieces_are_those_of_the_whole_and_keep_their_distance() -> None:
    whole = BlinkStream(5).take(3000)
    stream = BlinkStream(5)
    np.testing.assert_array_equal(np.concatenate([stream.take(n) for n in (1, 0, 499, 7, 2493)]), whole)
    apexes = np.flatnonzero(whole == 1)
    assert len(apexes) > 40
    assert np.diff(apexes).min() >= 15
    assert np.diff(apexes).max() <= 75
    assert not np.array_equal(BlinkStream(6).take(3000), whole)


@pytest.mark.parametrize(("name", "frames"), [("single_n7_bs2", 7), ("swing_n50_bs2", 50), ("odd_n33_bs4", 33)])
def test_camera_walks(name: str, frames: int) -> None:
    expected = glue()
    stops = expected[f"camera_{name.split('_')[0]}_in"].tolist()
    rows = expected[f"camera_{name}"].reshape(-1)
    assert_close(camera_angles(stops, frames), rows[:frames], 1e-5)


def test_camera_stops_that_break_the_original() -> None:
    np.testing.assert_array_equal(camera_angles([5, 5], 4), np.full(4, 5, np.float32))
    np.testing.assert_array_equal(camera_angles([5, 9], 1), np.full(1, 5, np.float32))
    assert camera_angles([0, 10, 10, 0], 9).tolist() == [0, 2.5, 5, 7.5, 10, 7.5, 5, 2.5, 2.5]


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 8, 12, 13, 14, 40])
def test_smoothing_in_pieces_is_that_of_the_whole(frames: int) -> None:
    rows = np.random.default_rng(frames).normal(size=(frames, 6)).astype(np.float32)
    stream = SmoothStream(6)
    found = [stream.feed(piece) for piece in pieces(rows, frames)]
    assert_close(np.concatenate([*found, stream.finish()]), smoothed(rows), 1e-6)


def test_smoothing_keeps_a_parabola_and_calms_noise() -> None:
    time = np.linspace(-1, 1, 50, dtype=np.float32)[:, None]
    assert_close(smoothed(time * time), time * time, 1e-6)
    noise = np.random.default_rng(0).normal(size=(500, 1)).astype(np.float32)
    assert smoothed(noise).std() < 0.5 * noise.std()
