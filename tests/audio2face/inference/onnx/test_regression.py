"""Regression networks: windows, padding, emotions, cuts, and streams that share a network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from comps.animation.audio2face.inference.model import FaceModel
from comps.animation.audio2face.inference.onnx import load_face
from comps.animation.audio2face.names import ARKIT_SHAPES
from comps.core.errors import EngineUnavailableError, TooLargeError, UnprocessableError
from tests.audio2face.inference.onnx import published
from tests.audio2face.inference.onnx.streams import (
    configuration,
    face,
    feelings,
    run,
    samples,
    settings,
    sound,
    tuning,
    weights_of,
)

CENTRE, JOY, FIRST_IMPLICIT = 4160, 8320 + 16 + 6, 8320
MARKS = {
    0: (CENTRE, 1.0), 1: (0, 1.0), 2: (8319, 1.0), 3: (FIRST_IMPLICIT, 1.0), 4: (JOY, 1.0), 5: (JOY + 1, 1.0),
    7: (CENTRE, 0.5), 8: (JOY, 0.25),
}  # fmt: skip
"""What moves the shapes of `published.SKIN`, then those of `published.TONGUE`: a place in the window or the emotions."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    graph = published.regression_graph(published.regression_weights(MARKS))
    published.write_regression(folder / "Audio2Face-3D-v2.3.1-Claire", graph)
    return folder


@pytest.fixture(scope="module")
def model(models: Path) -> FaceModel:
    return face(models)


@pytest.mark.parametrize("fps", [30, 60, 25])
def test_a_frame_hears_half_a_second_around_its_sample(model: FaceModel, fps: int) -> None:
    audio = sound(1.3)
    count = -(-len(audio) * fps // 16000)
    weights = run(model.open(tuning(fps)), audio, feelings(count))
    around = np.concatenate([np.zeros(CENTRE), audio, np.zeros(8320)])
    assert weights.shape == (count, 68)
    assert weights_of("JawOpen", weights) == pytest.approx(audio[samples(count, fps)], abs=1e-6)
    assert weights_of("MouthPucker", weights) == pytest.approx(around[samples(count, fps)], abs=1e-6)
    assert weights_of("MouthFunnel", weights) == pytest.approx(around[samples(count, fps) + 8319], abs=1e-6)
    assert weights_of("TongueUp", weights) == pytest.approx(audio[samples(count, fps)] / 2, abs=1e-6)


def test_silence_lies_before_and_behind_the_clip(model: FaceModel) -> None:
    weights = run(model.open(tuning()), np.ones(16000, np.float32), feelings(30))
    assert weights_of("MouthPucker", weights) == pytest.approx([0.0] * 8 + [1.0] * 22, abs=1e-6)
    assert weights_of("MouthFunnel", weights) == pytest.approx([1.0] * 23 + [0.0] * 7, abs=1e-6)


def test_the_emotions_are_the_implicit_one_and_those_of_the_frame(model: FaceModel) -> None:
    course = np.linspace(0, 0.9, 30)
    weights = run(model.open(tuning()), sound(1), feelings(30, joy=course, outofbreath=course / 2))
    assert weights_of("CheekPuff", weights) == pytest.approx(0.1, abs=1e-6)  # row 10 of all recordings
    assert weights_of("EyeBlinkLeft", weights) == pytest.approx(course, abs=1e-6)
    assert weights_of("EyeBlinkRight", weights) == pytest.approx(course / 2, abs=1e-6)
    assert weights_of("TongueWide", weights) == pytest.approx(course / 4, abs=1e-6)


def test_emotions_in_another_order_are_told_by_name(tmp_path: Path) -> None:
    graph = published.regression_graph(published.regression_weights({0: (8320 + 16, 1.0)}))
    folder = published.write_regression(tmp_path / "claire_v2.3.1", graph)
    info = published.regression_info()
    info["params"]["explicit_emotions"].reverse()
    published.write_json(folder / "network_info.json", info)
    weights = run(face(tmp_path).open(tuning()), sound(0.2), feelings(6, sadness=[0.5] * 6, amazement=[0.1] * 6))
    assert weights_of("JawOpen", weights) == pytest.approx(0.5, abs=1e-6)


def test_input_strength_multiplies_the_audio(model: FaceModel) -> None:
    audio = sound(0.5)
    weights = run(model.open(tuning(input_strength=0.5)), audio, feelings(15))
    assert weights_of("JawOpen", weights) == pytest.approx(audio[samples(15)] / 2, abs=1e-6)


@given(cuts=st.lists(st.integers(0, 20000), max_size=8))
@hypothesis_settings(deadline=None, max_examples=12)
def test_cuts_do_not_change_the_result(model: FaceModel, cuts: list[int]) -> None:
    audio, emotions = sound(1.25), feelings(38, joy=np.linspace(0, 1, 38))
    smooth = tuning(lower_face_smoothing=0.02, upper_face_smoothing=0.01)
    whole = run(model.open(smooth), audio, emotions)
    assert run(model.open(smooth), audio, emotions, cuts) == pytest.approx(whole, abs=1e-6)


def test_frames_come_out_as_soon_as_they_can_be_told(model: FaceModel) -> None:
    stream = model.open(tuning())
    audio, emotions = sound(1), feelings(30)
    assert model.look_ahead_s == 0.26
    assert len(stream.push(audio[:4159], emotions)) == 0
    assert len(stream.push(audio[4159:4160], emotions[:0])) == 1
    assert len(stream.push(audio[4160:8000], emotions[:0])) == 7
    assert len(stream.finish(emotions[:0])) == 15 - 8


def test_frames_wait_for_their_emotions(model: FaceModel) -> None:
    stream = model.open(tuning())
    assert len(stream.push(sound(1), feelings(4))) == 4
    assert len(stream.push(sound(0), feelings(2))) == 2
    assert len(stream.finish(feelings(24))) == 24


def test_the_last_emotion_holds_where_there_are_no_more(model: FaceModel) -> None:
    stream = model.open(tuning())
    stream.push(sound(1), feelings(2, joy=[0.2, 0.7]))
    assert weights_of("EyeBlinkLeft", stream.finish(feelings(0))) == pytest.approx(0.7, abs=1e-6)


def test_a_clip_without_audio_has_no_frames(model: FaceModel) -> None:
    stream = model.open(tuning())
    assert stream.push(sound(0), feelings(0)).shape == (0, 68)
    assert stream.finish(feelings(0)).shape == (0, 68)


def test_only_the_audio_of_coming_frames_is_kept(model: FaceModel) -> None:
    stream = model.open(tuning())
    for _ in range(30):
        stream.push(sound(1), feelings(30))
    kept = stream._audio  # type: ignore[attr-defined]
    assert kept.received == 30 * 16000
    assert len(kept._samples) <= 8320 + 534


def test_audio_does_not_pile_up_without_end(model: FaceModel) -> None:
    stream = model.open(tuning())
    piece = np.zeros(16000 * 200, np.float32)
    for _ in range(3):
        stream.push(piece, feelings(0))
    with pytest.raises(TooLargeError, match="600 s of audio"):
        stream.push(piece, feelings(0))


def test_wrong_arrays_are_refused(model: FaceModel) -> None:
    stream = model.open(tuning())
    with pytest.raises(UnprocessableError, match="emotions"):
        stream.push(sound(0.1), np.zeros((3, 6)))
    with pytest.raises(UnprocessableError, match="audio"):
        stream.push(np.zeros((3, 2), np.float32), feelings(0))
    with pytest.raises(UnprocessableError, match="not finite"):
        stream.push(np.array([0.1, np.nan], np.float32), feelings(0))


def test_a_result_that_is_not_finite_names_the_file(tmp_path: Path) -> None:
    graph = published.regression_graph(published.regression_weights({0: (CENTRE, np.inf)}))
    published.write_regression(tmp_path / "claire_v2.3.1", graph)
    stream = face(tmp_path).open(tuning())
    with pytest.raises(
        EngineUnavailableError, match=r"network\.onnx: the output 'result' has a value that is not finite"
    ):
        stream.push(sound(1), feelings(30))


def test_streams_of_many_threads_keep_apart(model: FaceModel) -> None:
    clips = [sound(1.1, seed) for seed in range(12)]

    def one(audio: np.ndarray) -> np.ndarray:
        return run(model.open(tuning()), audio, feelings(33), range(0, 17600, 700))

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(one, clips))
    for audio, weights in zip(clips, results, strict=True):
        assert weights_of("JawOpen", weights) == pytest.approx(audio[samples(33)], abs=1e-6)


def test_a_network_for_single_frames_will_do(tmp_path: Path) -> None:
    graph = published.regression_graph(published.regression_weights(MARKS), batch=1)
    published.write_regression(tmp_path / "claire_v2.3.1", graph)
    audio = sound(0.4)
    weights = run(face(tmp_path).open(tuning()), audio, feelings(12))
    assert weights_of("JawOpen", weights) == pytest.approx(audio[samples(12)], abs=1e-6)


def test_without_the_tongue_there_are_52_shapes(models: Path) -> None:
    plain = load_face(configuration(enable_tongue_blendshapes=False), settings(models))
    audio = sound(0.3)
    weights = run(plain.open(tuning()), audio, feelings(9))
    assert plain.names == ARKIT_SHAPES
    assert weights.shape == (9, 52)
    assert weights[:, ARKIT_SHAPES.index("JawOpen")] == pytest.approx(audio[samples(9)], abs=1e-6)
