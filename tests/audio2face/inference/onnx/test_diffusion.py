"""The diffusion network: windows, kept frames, memory, identity, noise, and the way to other frame rates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from comps.animation.audio2face.inference.model import FaceModel
from comps.core.errors import UnknownChoiceError
from tests.audio2face.inference.onnx import published
from tests.audio2face.inference.onnx.streams import face, feelings, run, samples, sound, tuning, weights_of


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    published.write_diffusion(folder / "Audio2Face-3D-v3.0")
    return folder


@pytest.fixture(scope="module")
def model(models: Path) -> FaceModel:
    return face(models, inference_type="diffusion")


def diffusion(models: Path, **model: object) -> FaceModel:
    return face(models, inference_type="diffusion", diffusion_model=model)


@pytest.mark.parametrize("fps", [30, 60, 20])
def test_frames_are_those_of_their_time(model: FaceModel, fps: int) -> None:
    audio = sound(2.1)
    count = -(-len(audio) * fps // 16000)
    weights = run(model.open(tuning(fps)), audio, feelings(count))
    assert weights.shape == (count, 68)
    assert weights_of("JawOpen", weights) == pytest.approx(audio[samples(count, fps)], abs=1e-6)
    assert weights_of("TongueUp", weights) == pytest.approx(audio[samples(count, fps)] / 2, abs=1e-6)


def test_the_thirty_frames_in_the_middle_of_a_window_are_kept(model: FaceModel) -> None:
    weights = run(model.open(tuning(60)), sound(1.5), feelings(90))
    places = weights_of("BrowInnerUp", weights) * 100
    assert places[:50] == pytest.approx([*range(30, 45), *range(15, 45), *range(15, 20)], abs=1e-4)


def test_what_the_network_remembers_is_its_streams(model: FaceModel) -> None:
    streams = [model.open(tuning(60)) for _ in range(2)]
    for stream in streams:
        runs = weights_of("MouthFunnel", run(stream, sound(1.5), feelings(90))) * 100
        # The first window lies before the clip.
        assert runs[[0, 14, 15, 44, 45, 89]] == pytest.approx([2, 2, 3, 3, 4, 5], abs=1e-4)


@pytest.mark.parametrize(("identity", "amount"), [("claire", 0.1), ("james", 0.2), ("mark", 0.3)])
def test_the_identity_is_the_one_of_the_configuration(models: Path, identity: str, amount: float) -> None:
    weights = run(diffusion(models, identity=identity).open(tuning()), sound(0.4), feelings(12))
    assert weights_of("MouthPucker", weights) == pytest.approx(amount, abs=1e-6)


def test_an_identity_that_the_network_does_not_know_is_refused(tmp_path: Path) -> None:
    folder = published.write_diffusion(tmp_path / "multi_v3.2")
    info = published.diffusion_info()
    info["params"]["identities"] = ["Claire", "Anna", "Mark"]
    published.write_json(folder / "network_info.json", info)
    with pytest.raises(UnknownChoiceError, match="no identity 'james'; it has: claire, anna, mark"):
        diffusion(tmp_path, identity="james")


def test_constant_noise_is_the_same_in_every_window_and_run(models: Path) -> None:
    model = diffusion(models, constant_noise=True)
    noises = [weights_of("CheekPuff", run(model.open(tuning()), sound(2), feelings(60))) for _ in range(2)]
    assert noises[0] == pytest.approx(np.full(60, noises[0][0]), abs=1e-7)
    assert noises[0] == pytest.approx(noises[1], abs=1e-12)
    assert noises[0][0] > 0


def test_other_noise_differs_from_window_to_window(models: Path) -> None:
    model = diffusion(models, constant_noise=False)
    first, second = (weights_of("CheekPuff", run(model.open(tuning()), sound(2), feelings(60))) for _ in range(2))
    middles = first[[0, 15, 30, 45, 59]]  # a frame of each window
    assert np.count_nonzero(np.abs(np.diff(middles)) > 1e-6) >= 3
    assert np.abs(first - second).max() > 1e-6


def test_emotions_are_drawn_between_the_streams_frames(model: FaceModel) -> None:
    course = np.random.default_rng(1).uniform(0, 0.8, 45)
    slow = run(model.open(tuning(30)), sound(1.5), feelings(45, joy=course))
    assert weights_of("EyeBlinkLeft", slow) == pytest.approx(course, abs=1e-6)
    stream = model.open(tuning(20))
    twenty = run(stream, sound(1.5), feelings(30, joy=course[:30]))
    assert weights_of("EyeBlinkLeft", twenty) == pytest.approx(course[:30], abs=1e-6)


def test_a_rate_that_does_not_divide_sixty_lies_between_two_frames(model: FaceModel) -> None:
    ramp = (np.arange(32000) / 32000).astype(np.float32)
    weights = run(model.open(tuning(25)), ramp, feelings(50))
    assert weights_of("JawOpen", weights) == pytest.approx(np.arange(50) / 50, abs=2e-4)


@given(cuts=st.lists(st.integers(0, 24000), max_size=6), fps=st.sampled_from([30, 60, 25]))
@hypothesis_settings(deadline=None, max_examples=10)
def test_cuts_do_not_change_the_result(model: FaceModel, cuts: list[int], fps: int) -> None:
    audio = sound(1.5)
    emotions = feelings(round(1.5 * fps), joy=np.linspace(0, 1, round(1.5 * fps)))
    smooth = tuning(fps, lower_face_smoothing=0.02, upper_face_smoothing=0.01)
    whole = run(model.open(smooth), audio, emotions)
    assert run(model.open(smooth), audio, emotions, cuts) == pytest.approx(whole, abs=1e-6)


def test_frames_come_out_as_soon_as_their_window_is_there(model: FaceModel) -> None:
    stream = model.open(tuning(60))
    audio, emotions = sound(1), feelings(60)
    assert model.look_ahead_s == 0.75
    assert len(stream.push(audio[:7999], emotions)) == 0
    assert len(stream.push(audio[7999:8000], emotions[:0])) == 15
    assert len(stream.push(audio[8000:], emotions[:0])) == 30
    assert len(stream.finish(emotions[:0])) == 15


def test_the_shortest_clips_have_their_frames(model: FaceModel) -> None:
    assert len(run(model.open(tuning()), sound(0), feelings(0))) == 0
    assert len(run(model.open(tuning()), sound(1 / 16000), feelings(1))) == 1
    assert len(run(model.open(tuning()), sound(0.03), feelings(1))) == 1


def test_only_what_is_still_needed_is_kept(model: FaceModel) -> None:
    stream = model.open(tuning())
    for _ in range(20):
        stream.push(sound(1), feelings(30))
    kept = stream._audio, stream._emotions, stream._frames  # type: ignore[attr-defined]
    assert len(kept[0]._samples) <= 16000
    assert len(kept[1]._rows) <= 30
    assert len(kept[2]._rows) <= 31
