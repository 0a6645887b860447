from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from comps.animation.audio2face.emotions import EmotionChain, EmotionSettings, emotion_vector, strongest_emotions
from comps.animation.audio2face.keyframes import Keyframes
from comps.core.errors import UnprocessableError
from tests.audio2face.vectors import TOLERANCE, named, read

Array = NDArray[np.float64]

CASES = named(read("emotion_postprocess")["cases"])


def settings_of(case: Mapping[str, Any], *, carry: bool = False) -> EmotionSettings:
    return EmotionSettings.of(case["params"], frame_s=case["params"]["fixed_dt"], carry_unmapped=carry)


def preferred_of(case: Mapping[str, Any]) -> Array | None:
    count = len(case["logits"])
    if "emotion_with_timecode" in case:
        keys = Keyframes()
        keys.add([(key["time_code"], key["emotion"]) for key in case["emotion_with_timecode"]])
        return keys.at(np.arange(count) / case["frame_rate"])
    return np.tile(emotion_vector(case["preferred_emotion"]), (count, 1))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("variant", ["expected", "expected_carry"])
def test_emotions_are_the_published_ones(name: str, variant: str) -> None:
    case = CASES[name]
    chain = EmotionChain(
        settings_of(case, carry=variant == "expected_carry"), emotion_vector(case["beginning_emotion"])
    )
    emotions = chain.from_logits(np.array(case["logits"]), preferred_of(case))
    np.testing.assert_allclose(emotions, case[variant] or case["expected"], rtol=0, atol=TOLERANCE)


def test_the_first_steps_are_the_published_ones() -> None:
    case = CASES["sdk_defaults"]
    for frame in (0, 1):
        steps = case["trace"][f"frame_{frame}"]
        found = strongest_emotions(np.array([case["logits"][frame]]), 1.0, 6)[0]
        np.testing.assert_allclose(found, steps["3_max_emotions"], rtol=0, atol=TOLERANCE)


@given(data=st.data(), carry=st.booleans(), preferred=st.booleans())
@settings(max_examples=60, deadline=None)
def test_chunks_change_nothing_and_weights_stay_within_their_range(
    data: st.DataObject, carry: bool, preferred: bool
) -> None:
    shares = st.floats(0, 1)
    chosen = EmotionSettings(
        data.draw(st.floats(0.3, 3)), data.draw(st.integers(1, 6)), data.draw(shares), data.draw(st.booleans()), data.draw(shares),
        data.draw(st.floats(1e-4, 3)), data.draw(shares), carry_unmapped=carry,
    )  # fmt: skip
    random = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    count = data.draw(st.integers(1, 40))
    logits, beginning = random.normal(scale=20, size=(count, 6)), random.uniform(size=10)
    wanted = random.uniform(size=(count, 10)) if preferred else None
    whole = EmotionChain(chosen, beginning).from_logits(logits, wanted)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=5)))
    chain = EmotionChain(chosen, beginning)
    parts = [
        chain.from_logits(part, None if wanted is None else preferences)
        for part, preferences in zip(
            np.split(logits, cuts), np.split(logits if wanted is None else wanted, cuts), strict=True
        )
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert whole.min() >= 0
    assert whole.max() <= 1 + 1e-12


def test_streams_do_not_share_their_state() -> None:
    beginning, logits = emotion_vector({"joy": 1}), np.zeros((3, 6))
    one, other = EmotionChain(EmotionSettings(), beginning), EmotionChain(EmotionSettings(), beginning)
    first = one.from_logits(logits)
    one.from_logits(logits)
    np.testing.assert_array_equal(other.from_logits(logits), first)
    assert beginning[6] == 1


def test_without_a_keyframe_nothing_is_blended_and_without_a_detector_only_the_keyframes_are() -> None:
    chosen = EmotionSettings(live_blend_coef=0, preferred_emotion_strength=0.5, emotion_strength=1)
    joy = np.tile(emotion_vector({"joy": 0.8}), (2, 1))
    np.testing.assert_allclose(EmotionChain(chosen).from_emotions(joy), joy)
    np.testing.assert_allclose(EmotionChain(chosen).from_emotions(np.zeros((2, 10)), joy), joy / 2)


def test_of_equal_emotions_the_first_stay() -> None:
    assert strongest_emotions(np.zeros((1, 6)), 1.0, 2).nonzero()[1].tolist() == [0, 1]


def test_another_correspondence_moves_other_channels() -> None:
    chain = EmotionChain(EmotionSettings(max_emotions=6), correspondence={"sad": "grief"})
    assert chain.from_logits(np.zeros((1, 6))).nonzero()[1].tolist() == [5]
    for wrong in ({"sad": "nosuch"}, {"nosuch": "grief"}, {"sad": "grief", "fear": "grief"}):
        with pytest.raises(UnprocessableError, match="correspondence"):
            EmotionChain(EmotionSettings(), correspondence=wrong)


def test_names_nobody_knows_are_ignored_and_weights_out_of_range_refused() -> None:
    assert emotion_vector({"nosuch": 7, "out_of_breath": 0.5}).tolist() == [0] * 7 + [0.5, 0, 0]
    with pytest.raises(UnprocessableError, match=r"emotion\.joy = 1.5 is out of range"):
        emotion_vector({"joy": 1.5})


def test_settings_and_logits_out_of_range_are_refused() -> None:
    with pytest.raises(UnprocessableError, match="max_emotions = 0 is out of range; allowed is 1 to 6"):
        EmotionSettings(max_emotions=0)
    with pytest.raises(UnprocessableError, match="frame_s"):
        EmotionSettings(frame_s=0)
    for logits in (np.zeros((2, 5)), np.zeros(6), np.full((1, 6), np.nan)):
        with pytest.raises(UnprocessableError, match="logits"):
            EmotionChain(EmotionSettings()).from_logits(logits)
