"""The drawn inside of the mouth, and faces in odd places."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.engines.portrait.render.anatomy import CLOSED_GAP, CURVE, measure
from comps.animation.engines.portrait.render.colours import sample_colours
from comps.animation.engines.portrait.render.face import prepare
from comps.animation.engines.portrait.render.framing import choose
from comps.animation.engines.portrait.render.planes import to_planes
from comps.animation.engines.portrait.render.renderer import Renderer
from comps.animation.engines.portrait.render.seal import HOLD_S, Seal, pressed
from comps.animation.engines.portrait.rig.rig import Rig
from tests.animation.faces import face, picture, pose, rig

LARGE = (
    pose(jawOpen=0.9, mouthUpperUp=0.5).then(pose(mouthPress=1.0, eyeBlink=1.0)).then(pose((9, -9, 9, 0.1, 0.1, 0.2)))
)


def _moved(matrix: np.ndarray, size: tuple[int, int]) -> Rig:
    """Ada's rig after an affine 2x3 `matrix`."""
    base = rig()

    def place(points: np.ndarray) -> np.ndarray:
        return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)

    scale = float(np.hypot(*matrix[:, 0]))
    irises = np.concatenate([place(base.irises[:, :2]), base.irises[:, 2:] * scale], 1)
    return replace(base, size=size, points=place(base.points), irises=irises, crown=place(base.crown))


@settings(max_examples=25, deadline=None)
@given(
    scale=st.floats(0.03, 0.5),
    angle=st.floats(-28, 28),
    x=st.floats(-60, 60),
    y=st.floats(-60, 60),
    width=st.integers(80, 300),
    height=st.integers(80, 300),
    size=st.sampled_from([64, 130, 256]),
)
def test_a_face_anywhere_even_partly_outside_can_be_drawn(
    scale: float, angle: float, x: float, y: float, width: int, height: int, size: int
) -> None:
    matrix = cv2.getRotationMatrix2D((512, 450), angle, scale)
    matrix[:, 2] += (width / 2 + x - 512, height / 2 + y - 450)
    moved = _moved(matrix, (width, height))
    shown = cv2.warpAffine(picture(), matrix, (width, height))
    renderer = Renderer(prepare(shown, moved, size))
    frames = renderer.render(LARGE)
    assert frames.shape == (3, renderer.height * 3 // 2, renderer.width)


def test_nearly_closed_lips_are_closed() -> None:
    anatomy = face().anatomy
    assert anatomy.gap == 0
    np.testing.assert_array_equal(anatomy.upper, anatomy.lower)
    assert anatomy.upper.shape == (CURVE, 2)


def _open_mouth() -> Rig:
    """Ada's rig, her lower lip's inner edge 0.12 units lower than it is."""
    points = rig().points.copy()
    points[65:68, 1] += 0.12 * rig().eye_distance
    points[55:60, 1] += 0.12 * rig().eye_distance
    return replace(rig(), points=points)


def test_a_mouth_open_in_the_picture_keeps_what_it_shows_at_rest_and_can_shut() -> None:
    opened = prepare(picture(), _open_mouth(), 256)
    assert opened.anatomy.gap > CLOSED_GAP
    renderer = Renderer(opened)
    rest, shut = renderer.render(pose().then(pose(mouthPress=0.4)))
    np.testing.assert_allclose(rest[:256].astype(int), opened.planes.luma, atol=1)
    assert (rest != shut).any()
    sealed = np.zeros((1, len(opened.field.names) + 6), np.float32)
    sealed[0, opened.field.names.index("seal")] = 1
    assert renderer._edges(sealed)[0].gap < 0.03 * opened.anatomy.unit


def test_lips_parted_in_the_picture_touch_between_words_and_part_again_after_a_while() -> None:
    speech = pose(jawOpen=0.2)
    for _ in range(4):
        speech = speech.then(pose(jawOpen=0.2))
    still = pose()
    for _ in range(75):
        still = still.then(pose())
    seal = Seal()
    assert seal.engage(still).max() == 0
    engaged = seal.engage(speech)[:, 0]
    assert (np.diff(engaged) > 0).any()
    assert engaged[-1] == 1
    after = seal.engage(still)[:, 0]
    assert after[: int(HOLD_S * 25) - 1].min() == 1
    assert after[-1] == 0
    assert np.abs(np.diff(after)).max() < 0.1


def test_the_seal_depends_only_on_the_frames_before() -> None:
    motion = pose().then(pose(jawOpen=0.3)).then(pose()).then(pose(mouthPress=0.4))
    whole, parts = Seal(), Seal()
    cut = np.concatenate([parts.engage(motion[:1]), parts.engage(motion[1:])])
    np.testing.assert_array_equal(whole.engage(motion), cut)
    assert pressed(motion)[:, 0].tolist() == [0, 0, 0, 1]


def test_colours_inside_follow_the_picture() -> None:
    bright, dark = (
        sample_colours(measure(rig(), choose(rig(), 256)), to_planes(choose(rig(), 256).cut(shade)))
        for shade in (picture(), (picture() * 0.4).astype(np.uint8))
    )
    assert bright.teeth[0] > dark.teeth[0] + 30
    for colours in (bright, dark):
        assert colours.cavity[0] < colours.tongue[0] < colours.teeth[0]
        assert colours.cavity[2] > 128


@pytest.mark.parametrize("texture", ["upper_teeth", "lower_teeth", "tongue"])
def test_textures_are_brightness_and_coverage(texture: str) -> None:
    mouth = face().mouth
    light, covered = np.moveaxis(getattr(mouth, texture), -1, 0)
    assert 0 <= covered.min() <= covered.max() <= 1
    assert covered.max() > 0.99
    assert 15 <= light.min() <= light.max() <= 235
    middle = covered[:, covered.shape[1] // 2]
    assert 0.05 < middle.mean() < 0.9
    # Nothing reaches the sides of the texture, where it would be cut off.
    assert covered[:, [0, -1]].max() == pytest.approx(0, abs=0.01)
