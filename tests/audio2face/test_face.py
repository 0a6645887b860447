"""One motion for all renderers: streams become FaceMotion and back, and a portrait follows a stream."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from comps.animation.audio2face.face import a2f_weights, arkit_weights, face_motion, gaze_of, weights_of
from comps.animation.audio2face.names import ALL_SHAPES, ARKIT_SHAPES
from comps.animation.avatars import PRESENTERS
from comps.animation.engines.portrait.render.cache import FaceCache
from comps.animation.engines.portrait.render.renderer import Renderer
from comps.animation.motion.blendshapes import gaze_weights, mouth_weights
from comps.animation.motion.face_motion import ARKIT_INDEX, ARKIT_NAMES, FaceMotion

INDEX = {name: index for index, name in enumerate(ALL_SHAPES)}
SHARE = st.floats(0, 1, width=32)


def stream(frames: int = 1, **weights: float) -> NDArray[np.float64]:
    rows = np.zeros((frames, len(ALL_SHAPES)))
    for name, value in weights.items():
        rows[:, INDEX[name]] = value
    return rows


def test_closed_lips_of_an_open_jaw_are_an_open_jaw_in_arkit() -> None:
    arkit = arkit_weights(stream(JawOpen=0.2, MouthClose=0.3))[0]
    assert arkit[ARKIT_INDEX["jawOpen"]] == pytest.approx(0.5)
    assert arkit[ARKIT_INDEX["mouthClose"]] == pytest.approx(0.3)
    assert np.count_nonzero(arkit) == 2


def test_both_conventions_show_the_same_face() -> None:
    random = np.random.default_rng(3)
    jaw, close = random.normal(size=(2, 30))  # displacements of jawOpen and of Apple's mouthClose
    weights = random.uniform(0, 1, (5, 52))
    arkit = arkit_weights(weights)
    j, c = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]
    ours = weights[:, [j]] * jaw + weights[:, [c]] * (jaw + close)
    apples = arkit[:, [j]] * jaw + arkit[:, [c]] * close
    assert ours == pytest.approx(apples)


@settings(deadline=None)
@given(st.lists(st.tuples(SHARE, SHARE), min_size=1, max_size=4))
def test_conversion_and_back_is_exact(pairs: list[tuple[float, float]]) -> None:
    weights = np.concatenate([stream(JawOpen=jaw, MouthClose=close) for jaw, close in pairs])
    assert a2f_weights(arkit_weights(weights)) == pytest.approx(weights, abs=1e-12)
    assert arkit_weights(a2f_weights(weights)) == pytest.approx(weights, abs=1e-12)


def test_the_given_weights_stay_as_they_are() -> None:
    weights = stream(JawOpen=0.4, MouthClose=0.1)
    before = weights.copy()
    arkit_weights(weights), a2f_weights(weights), face_motion(weights, first=0, fps=30)
    assert (weights == before).all()


@settings(deadline=None)
@given(st.floats(-30, 30), st.floats(-20, 20))
def test_gaze_is_the_one_that_made_the_weights(yaw: float, pitch: float) -> None:
    weights = np.zeros((1, len(ARKIT_NAMES)))
    for name, value in gaze_weights(yaw, pitch).items():
        weights[0, ARKIT_INDEX[name]] = value
    assert gaze_of(weights)[0] == pytest.approx([yaw, pitch], abs=1e-9)


def test_a_stream_becomes_a_motion_within_its_bounds() -> None:
    motion = face_motion(stream(3, JawOpen=0.8, MouthClose=0.4, BrowInnerUp=-0.2, TongueTipUp=1.0), first=7, fps=60)
    assert (motion.first, motion.fps, len(motion)) == (7, 60, 3)
    assert motion.weights.shape == (3, len(ARKIT_NAMES))
    assert motion.weights.dtype == motion.head.dtype == motion.gaze.dtype == np.float32
    assert motion.weights.min() == 0
    assert motion.weights[:, ARKIT_INDEX["jawOpen"]] == pytest.approx(1.0)
    assert not motion.head.any()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[SHARE] * 8), min_size=1, max_size=3))
def test_every_mouth_that_speaks_here_survives_the_way_there_and_back(organs: list[tuple[float, ...]]) -> None:
    weights = mouth_weights(np.array(organs, np.float32))
    weights = np.clip(weights, 0, 1)
    n = len(weights)
    motion = FaceMotion(0, 30, weights, np.zeros((n, 6), np.float32), np.zeros((n, 2), np.float32))
    back = face_motion(weights_of(motion), first=0, fps=30)
    assert back.weights == pytest.approx(weights, abs=1e-6)


def test_no_streamed_weight_is_negative() -> None:
    weights = np.zeros((1, 52), np.float32)
    weights[0, ARKIT_INDEX["mouthClose"]] = 0.5
    motion = FaceMotion(0, 30, weights, np.zeros((1, 6), np.float32), np.zeros((1, 2), np.float32))
    assert weights_of(motion).min() == 0


def openness(frame: NDArray[np.uint8], height: int) -> float:
    """How much of the mouth's region is as dark as the inside of a mouth."""
    mouth = frame[int(height * 0.56) : int(height * 0.68), int(height * 0.4) : int(height * 0.6)]
    return float((mouth < 60).mean())


def test_a_portrait_opens_its_mouth_with_the_streams_jaw_and_shuts_it_with_mouth_close() -> None:
    ada = PRESENTERS / "ada"
    renderer = Renderer(FaceCache(1).get(ada / "portrait.png", ada / "rig.json", 256))
    steps = [{}, {"JawOpen": 0.3}, {"JawOpen": 0.6}, {"MouthClose": 0.6}]
    weights = np.concatenate([stream(**step) for step in steps])
    assert weights.shape[1] == len(ARKIT_SHAPES) + 16
    frames = renderer.render(face_motion(weights, first=0, fps=30))
    rest, half, wide, shut = (openness(frame, renderer.height) for frame in frames)
    assert rest == shut == 0
    assert 0 < half < 0.5 * wide
    assert wide > 0.03
    assert (frames[3] != frames[0]).mean() > 0.005  # the jaw is lowered, only the lips are not apart
