from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from comps.animation.audio2face.emotions import emotion_vector
from comps.animation.audio2face.keyframes import MOST_KEYS, Keyframes, beginning_emotion
from comps.core.errors import TooLargeError, UnprocessableError
from tests.audio2face.vectors import TOLERANCE, read


def value_at(keys: Keyframes, time: float, name: str) -> float:
    found = keys.at(np.array([time]))
    assert found is not None
    return float(found[0] @ emotion_vector({name: 1}))


@pytest.mark.parametrize("case", read("emotion_postprocess")["keyframe_interpolation"], ids=lambda case: case["name"])
def test_between_keyframes_the_emotions_are_the_published_ones(case: dict[str, Any]) -> None:
    keys = Keyframes()
    keys.add([(key["time_code"], key["emotion"]) for key in reversed(case["keys"])])
    found = keys.at(np.array([sample["t"] for sample in case["samples"]]))
    assert found is not None
    expected = np.stack([emotion_vector(sample["emotion"]) for sample in case["samples"]])
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_before_any_key_there_is_no_preferred_emotion() -> None:
    keys = Keyframes()
    keys.add([])
    assert keys.at(np.array([0.0])) is None


def test_a_later_key_acts_from_its_arrival_on_and_an_equal_time_replaces() -> None:
    keys = Keyframes()
    keys.add([(0.0, {"joy": 1}), (0.0, {"joy": 0.5})])
    assert value_at(keys, 0.4, "joy") == 0.5
    keys.add([(1.0, {"fear": 1})], now=0.5)
    assert value_at(keys, 0.5, "fear") == pytest.approx(0.5)
    keys.add([(1.0, {"pain": 1})], now=0.75)
    assert value_at(keys, 1.0, "fear") == 0
    assert value_at(keys, 1.0, "pain") == 1


def test_a_key_in_the_past_counts_from_now() -> None:
    keys = Keyframes()
    keys.add([(0.0, {"joy": 1})])
    keys.add([(0.5, {"fear": 1}), (0.2, {"pain": 1})], now=2.0)
    assert value_at(keys, 2.0, "fear") == 1
    assert value_at(keys, 2.0, "pain") == 0


def test_played_keys_are_forgotten_and_too_many_waiting_ones_refused() -> None:
    keys = Keyframes()
    for step in range(3 * MOST_KEYS // 1000):
        keys.add([(step * 1000 + number, {}) for number in range(1000)], now=step * 1000.0)
        assert len(keys) <= 1001
    with pytest.raises(TooLargeError, match="keyframes"):
        keys.add([(1e6 + number, {}) for number in range(MOST_KEYS)], now=0.0)


@pytest.mark.parametrize("time", [-0.1, float("nan"), float("inf")])
def test_nothing_of_a_message_with_an_impossible_time_or_weight_is_taken(time: float) -> None:
    keys = Keyframes()
    with pytest.raises(UnprocessableError, match="time_code"):
        keys.add([(0.0, {"joy": 1}), (time, {})])
    with pytest.raises(UnprocessableError, match=r"emotion\.joy"):
        keys.add([(0.0, {"joy": -1})])
    assert len(keys) == 0


def test_the_beginning_emotion_of_a_request_replaces_all_of_the_deployment() -> None:
    deployed = emotion_vector({"joy": 0.5})
    assert beginning_emotion({}, deployed) is deployed
    np.testing.assert_array_equal(beginning_emotion({"fear": 1}, deployed), emotion_vector({"fear": 1}))
    with pytest.raises(UnprocessableError, match=r"beginning_emotion\.fear"):
        beginning_emotion({"fear": 2}, deployed)
