"""Audio2Emotion: windows around every tenth frame, repeated between, told as soon as they can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from comps.animation.audio2face.inference.model import EmotionDetector
from comps.animation.audio2face.inference.onnx import load_emotions
from comps.animation.audio2face.names import DETECTOR_EMOTIONS
from comps.core.errors import EngineUnavailableError, UnprocessableError
from tests.audio2face.inference.onnx import published
from tests.audio2face.inference.onnx.streams import configuration, listen, settings, sound

HALF = 15000


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    published.write_detector(folder / "Audio2Emotion-v2.2", published.detector_graph())
    return folder


@pytest.fixture(scope="module")
def detector(models: Path) -> EmotionDetector:
    return load_emotions(configuration(), settings(models))


@pytest.mark.parametrize(("fps", "interval"), [(30, 10), (30, 1), (60, 10), (25, 7), (30, 100)])
def test_every_interval_hears_the_audio_around_its_first_frame(
    detector: EmotionDetector, fps: int, interval: int
) -> None:
    audio = sound(3.4)
    count = -(-len(audio) * fps // 16000)
    rows = listen(detector.open(fps, interval), audio)
    around = np.concatenate([np.zeros(HALF), audio, np.zeros(HALF)])
    starts = (np.arange(count) // interval * interval) * 16000 // fps
    assert rows.shape == (count, 6)
    assert rows[:, 0] == pytest.approx(around[starts])
    assert rows[:, 1] == pytest.approx(audio[starts])
    assert rows[:, 2] == pytest.approx(around[starts + 2 * HALF - 1])
    assert rows[:, 3] == pytest.approx([around[start : start + 2 * HALF].mean() for start in starts], abs=1e-5)
    assert rows[:, 4:] == pytest.approx(np.tile([0.5, -0.5], (count, 1)))


@given(cuts=st.lists(st.integers(0, 48000), max_size=8), interval=st.integers(1, 40))
@hypothesis_settings(deadline=None, max_examples=15)
def test_cuts_do_not_change_the_result(detector: EmotionDetector, cuts: list[int], interval: int) -> None:
    audio = sound(3)
    whole = listen(detector.open(30, interval), audio)
    assert listen(detector.open(30, interval), audio, cuts) == pytest.approx(whole, abs=1e-6)


def test_rows_come_out_as_soon_as_they_can_be_told(detector: EmotionDetector) -> None:
    stream = detector.open(30, 10)
    audio = sound(2)
    assert detector.look_ahead_s == HALF / 16000
    assert len(stream.push(audio[: HALF - 1])) == 0
    assert len(stream.push(audio[HALF - 1 : HALF])) == 10
    assert len(stream.push(audio[HALF : HALF + 5333])) == 10
    assert len(stream.finish()) == -(-(HALF + 5333) * 30 // 16000) - 20


def test_no_row_is_told_for_a_frame_that_may_not_exist(detector: EmotionDetector) -> None:
    stream = detector.open(30, 300)
    assert len(stream.push(sound(1))) == 30
    assert len(stream.finish()) == 0


def test_only_the_audio_of_coming_windows_is_kept(detector: EmotionDetector) -> None:
    stream = detector.open(30, 10)
    for _ in range(20):
        stream.push(sound(1))
    assert len(stream._audio._samples) <= 2 * HALF + 5334  # type: ignore[attr-defined]
    assert len(stream._heard) <= 1  # type: ignore[attr-defined]


def test_a_length_that_the_file_fixes_is_used(tmp_path: Path) -> None:
    published.write_detector(tmp_path / "Audio2Emotion-v3.0", published.detector_graph(6000, (0, 3000, -1)))
    detector = load_emotions(configuration(), settings(tmp_path))
    audio = sound(1)
    assert detector.look_ahead_s == 3000 / 16000
    assert listen(detector.open(30, 1), audio)[:, 1] == pytest.approx(audio[np.arange(30) * 16000 // 30])
    with pytest.raises(UnprocessableError, match="emotion_window = 30000"):
        load_emotions(configuration(), settings(tmp_path, emotion_window=30000))


def test_another_length_can_be_chosen(models: Path) -> None:
    assert load_emotions(configuration(), settings(models, emotion_window=60000)).look_ahead_s == 1.875
    with pytest.raises(UnprocessableError, match="emotion_window = 100"):
        load_emotions(configuration(), settings(models, emotion_window=100))


def test_the_order_of_the_emotions_is_that_of_the_file(tmp_path: Path) -> None:
    order = tuple(reversed(DETECTOR_EMOTIONS))
    published.write_detector(tmp_path / "Audio2Emotion-v2.2", published.detector_graph(), order)
    rows = listen(load_emotions(configuration(), settings(tmp_path)).open(30, 10), sound(1))
    assert rows[:, :2] == pytest.approx(np.tile([-0.5, 0.5], (30, 1)))


def test_other_emotions_are_refused(tmp_path: Path) -> None:
    published.write_detector(tmp_path / "Audio2Emotion-v2.2", published.detector_graph(), ("angry", "calm"))
    with pytest.raises(
        EngineUnavailableError, match=r"network_info\.json: it tells angry, calm; expected angry, disgust"
    ):
        load_emotions(configuration(), settings(tmp_path))


def test_a_folder_that_is_missing_is_named_with_the_way_to_it(tmp_path: Path) -> None:
    with pytest.raises(
        EngineUnavailableError, match=r"no folder Audio2Emotion-v2\.2.*hf download nvidia/Audio2Emotion-v2\.2"
    ):
        load_emotions(configuration(), settings(tmp_path))


def test_an_interval_of_nothing_is_refused(detector: EmotionDetector) -> None:
    with pytest.raises(UnprocessableError, match="inference_interval = 0"):
        detector.open(30, 0)
