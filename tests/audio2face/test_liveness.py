from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from comps.animation.audio2face.liveness import PERIOD_S, LivingEyes, lids
from comps.animation.audio2face.names import ALL_SHAPES, ARKIT_SHAPES
from comps.animation.audio2face.weights import WeightLayer, WeightTuning
from comps.animation.motion.blendshapes import WIDEST_GAZE

FRAMES = np.arange(int(PERIOD_S * 60))


def eyes(multipliers: dict[str, float] | None = None, clamp: bool = False, **values: Any) -> LivingEyes:
    tuning = WeightTuning.layered(ALL_SHAPES, [WeightLayer(multipliers or {}, {}, clamp)])
    return LivingEyes(ALL_SHAPES, values, tuning, 30)


def moved(found: LivingEyes, weights: np.ndarray | None = None, frames: int = 900) -> dict[str, np.ndarray]:
    rows = found.apply(np.zeros((frames, len(ALL_SHAPES))) if weights is None else weights, 0)
    return dict(zip(ALL_SHAPES, rows.T, strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_blinks_come_every_few_seconds_and_fall_faster_than_they_rise(seed: int) -> None:
    closed = lids(FRAMES, 60, seed)
    assert closed.min() == 0
    assert closed.max() == 1
    starts = FRAMES[1:][(closed[1:] > 0) & (closed[:-1] == 0)] / 60
    gaps = np.diff(starts)
    assert gaps.min() >= 1.9
    assert gaps.max() <= 6.1
    assert 2.5 <= gaps.mean() <= 4
    steps = np.diff(closed)
    assert steps.max() > -steps.min()


def test_a_minute_is_the_same_whatever_part_of_it_is_asked_for() -> None:
    whole = eyes().apply(np.zeros((1800, 68)), 0)
    parts = [eyes().apply(np.zeros((450, 68)), first) for first in range(0, 1800, 450)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_both_eyes_look_the_same_way_and_not_far() -> None:
    found = moved(eyes())
    np.testing.assert_array_equal(found["EyeLookInLeft"], found["EyeLookOutRight"])
    np.testing.assert_array_equal(found["EyeLookDownLeft"], found["EyeLookDownRight"])
    looks = np.stack([found[name] for name in ALL_SHAPES if name.startswith("EyeLook")])
    assert 0.02 < looks.max() < 0.2
    assert not (looks.min(axis=1) > 0).any()


def test_requests_and_files_switch_parts_off_or_turn_the_eyes() -> None:
    assert not moved(eyes(blink_strength=0.0))["EyeBlinkLeft"].any()
    assert moved(eyes(blink_strength=0.5))["EyeBlinkRight"].max() == 0.5
    assert not moved(eyes(saccade_strength=0.0))["EyeLookUpLeft"].any()
    assert not moved(eyes({"EyeLookUpLeft": 0.0}))["EyeLookUpLeft"].any()
    turned = moved(eyes(saccade_strength=0.0, left_eye_rot_y_offset=6.0))
    assert turned["EyeLookOutLeft"].min() == turned["EyeLookOutLeft"].max() == pytest.approx(6.0 / WIDEST_GAZE)
    assert not turned["EyeLookOutRight"].any()


def test_a_blink_is_added_to_what_the_model_does_and_takes_wide_eyes_back() -> None:
    weights = np.zeros((900, len(ALL_SHAPES)))
    weights[:, ALL_SHAPES.index("EyeBlinkLeft")] = 0.3
    weights[:, ALL_SHAPES.index("EyeWideLeft")] = 0.8
    found = moved(eyes(), weights)
    assert found["EyeBlinkLeft"].min() == 0.3
    assert found["EyeBlinkLeft"].max() == 1
    assert not found["EyeWideLeft"][found["EyeBlinkLeft"] == 1].any()
    assert weights[:, ALL_SHAPES.index("EyeWideLeft")].min() == 0.8


def test_clamping_holds_for_what_is_added() -> None:
    assert moved(eyes({"EyeBlinkLeft": 3.0}))["EyeBlinkLeft"].max() == 3
    assert moved(eyes({"EyeBlinkLeft": 3.0}, clamp=True))["EyeBlinkLeft"].max() == 1


def test_52_shapes_are_enough() -> None:
    tuning = WeightTuning.layered(ARKIT_SHAPES, [])
    assert LivingEyes(ARKIT_SHAPES, {}, tuning, 60).apply(np.zeros((10, 52)), 0).shape == (10, 52)
