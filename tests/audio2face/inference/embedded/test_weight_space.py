"""Every face parameter does to the embedded face what its name says."""

from __future__ import annotations

import numpy as np
import pytest

from comps.animation.audio2face.inference.weight_space import HEIGHTS, TongueSettings, WeightSkin
from comps.animation.audio2face.names import ARKIT_SHAPES, TONGUE_SHAPES
from comps.animation.audio2face.parameters import Value
from tests.audio2face.inference.embedded.clips import face, sentence, shape, tuning

AUDIO, _ = sentence()
QUIET = (AUDIO[:24_000] * np.float32(0.05)).astype(np.float32)
LOWER = ("JawOpen", "MouthLowerDownLeft", "MouthPucker")
UPPER = ("BrowDownLeft", "EyeSquintLeft")


def moved(*names: str, **values: Value) -> float:
    """Mean of the shapes over an angry sentence."""
    return float(shape(face([AUDIO[:24_000]], tuning(**values), anger=1.0), *names).mean())


def posed(**values: Value) -> dict[str, float]:
    """The first frame of a face on which every shape is at 0.5."""
    weights = WeightSkin(tuning(**values).values, 30).pose(np.full((1, 52), 0.5))[0]
    return dict(zip(ARKIT_SHAPES, weights.tolist(), strict=True))


def test_every_shape_has_a_height_and_the_chin_is_lowest() -> None:
    assert all(any(name.startswith(part) for part in HEIGHTS) for name in ARKIT_SHAPES)
    assert min(HEIGHTS, key=lambda part: HEIGHTS[part]) == "Jaw"
    assert max(HEIGHTS, key=lambda part: HEIGHTS[part]) == "Brow"


def test_lower_face_strength_moves_the_lower_face_alone() -> None:
    assert moved(*LOWER, lower_face_strength=2.0) == pytest.approx(2 * moved(*LOWER, lower_face_strength=1.0))
    assert moved(*UPPER, lower_face_strength=2.0) == pytest.approx(moved(*UPPER, lower_face_strength=1.0), rel=0.01)


def test_upper_face_strength_moves_the_upper_face_alone() -> None:
    assert moved(*UPPER, upper_face_strength=2.0) == pytest.approx(2 * moved(*UPPER, upper_face_strength=1.0), rel=0.01)
    assert moved(*LOWER, upper_face_strength=2.0) == pytest.approx(moved(*LOWER, upper_face_strength=1.0), rel=0.01)


def test_skin_strength_moves_both() -> None:
    for names in (LOWER, UPPER):
        assert moved(*names, skin_strength=0.5) == pytest.approx(0.5 * moved(*names, skin_strength=1.0))


@pytest.mark.parametrize(
    ("name", "shapes"), [("lower_face_smoothing", LOWER), ("upper_face_smoothing", ("NoseSneerLeft",))]
)
def test_smoothing_slows_its_part_of_the_face(name: str, shapes: tuple[str, ...]) -> None:
    values: dict[str, Value] = {"face_mask_level": 0.5}
    sharp, smooth = (
        shape(face([AUDIO[:24_000]], tuning(**values, **{name: half_life}), disgust=1.0), *shapes)
        for half_life in (0.0, 0.1)
    )
    assert np.abs(np.diff(smooth)).max() < 0.5 * np.abs(np.diff(sharp)).max() or np.ptp(sharp) == 0
    assert smooth.mean() == pytest.approx(sharp.mean(), rel=0.2)


def test_the_mask_says_where_the_faces_meet() -> None:
    strengths: dict[str, Value] = {"lower_face_strength": 2.0, "upper_face_strength": 1.0}
    low, high = (posed(face_mask_level=level, **strengths) for level in (0.1, 0.9))
    assert low["MouthPucker"] == pytest.approx(0.5, rel=0.01)
    assert high["MouthPucker"] == pytest.approx(1.0, rel=0.01)
    assert high["EyeSquintLeft"] == pytest.approx(1.0, rel=0.01)
    assert low["BrowDownLeft"] == pytest.approx(high["BrowDownLeft"], rel=0.01)


def test_softness_blurs_the_mask() -> None:
    strengths: dict[str, Value] = {"lower_face_strength": 2.0, "upper_face_strength": 1.0, "face_mask_level": 0.5}
    hard, soft = (posed(face_mask_softness=softness, **strengths) for softness in (0.001, 0.5))
    assert hard["CheekSquintLeft"] == pytest.approx(0.5)
    assert 0.6 < soft["CheekSquintLeft"] < 0.9


def test_lids_follow_their_offsets() -> None:
    assert posed(eyelid_open_offset=-0.3)["EyeBlinkLeft"] == pytest.approx(0.8)
    assert posed(eyelid_open_offset=0.3)["EyeWideRight"] == pytest.approx(0.8)
    assert posed(blink_offset=0.4)["EyeBlinkRight"] == pytest.approx(0.9)
    assert posed(blink_offset=0.4, blink_strength=0.5)["EyeBlinkRight"] == pytest.approx(0.7)


def test_lips_follow_their_offset() -> None:
    neutral = posed()
    assert posed(lip_open_offset=0.2)["MouthLowerDownLeft"] > neutral["MouthLowerDownLeft"] + 0.1
    assert posed(lip_open_offset=-0.2)["MouthPressLeft"] > neutral["MouthPressLeft"] + 0.1


def test_input_strength_opens_a_quiet_mouth() -> None:
    low, high = (shape(face([QUIET], tuning(input_strength=gain)), "JawOpen").mean() for gain in (1.0, 4.0))
    assert high > 1.2 * low


def test_the_tongue_follows_its_parameters() -> None:
    rest = np.zeros((1, len(TONGUE_SHAPES)))
    up, forward = TONGUE_SHAPES.index("TongueUp"), TONGUE_SHAPES.index("TongueStretch")
    assert TongueSettings(tongue_height_offset=1.5).pose(rest)[0, up] == pytest.approx(0.5)
    assert TongueSettings(tongue_height_offset=-1.5).pose(rest)[0, TONGUE_SHAPES.index("TongueDown")] == pytest.approx(
        0.5
    )
    assert TongueSettings(tongue_depth_offset=3.0).pose(rest)[0, forward] == pytest.approx(1.0)
    assert TongueSettings(tongue_depth_offset=-3.0).pose(rest)[0, TONGUE_SHAPES.index("TongueIn")] == pytest.approx(1.0)
    assert moved("TongueTipUp", tongue_strength=2.0) == pytest.approx(2 * moved("TongueTipUp", tongue_strength=1.0))


def test_of_a_cancel_pair_the_stronger_one_stays() -> None:
    pair = {"MouthPucker": 0, "MouthStretchLeft": 0}
    free, cancelled = (face([AUDIO[:24_000]], tuning(cancel=cancel)) for cancel in ({}, pair))
    one, other = (shape(cancelled, name) for name in pair)
    assert not (one * other).any()
    np.testing.assert_array_equal(np.maximum(one, other), np.maximum(*(shape(free, name) for name in pair)))
