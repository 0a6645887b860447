"""Targets of the speech organs and the blend shapes made of them."""

from __future__ import annotations

import numpy as np
import pytest

from comps.animation.motion.articulation import (
    CLOSE,
    JAW,
    LOWER,
    ORGANS,
    ROUND,
    SPREAD,
    TONGUE,
    TUCK,
    closes,
    parts,
    targets,
    tucks,
)
from comps.animation.motion.blendshapes import WIDEST_GAZE, WIDEST_JAW, gaze_weights, mouth_weights
from comps.animation.motion.face_motion import ARKIT_INDEX
from comps.core.language.phones import CONSONANTS, VOWELS


@pytest.mark.parametrize("phone", [*VOWELS, *CONSONANTS, "", "uː", "tʃ", "☃", "ãː"])
def test_every_phone_has_targets_in_range(phone: str) -> None:
    for stress in (0, 1, 2):
        goal, claim = targets(phone, stress)
        assert goal.shape == claim.shape == (len(ORGANS),)
        assert (goal >= 0).all()
        assert (goal <= 1.2).all()
        assert (claim > 0).all()


def test_targets_are_not_to_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        targets("a")[0][0] = 1


def test_vowels_open_by_height_and_round_by_lips() -> None:
    opening = [targets(v)[0][JAW] for v in ("i", "e", "ɛ", "a")]
    assert opening == sorted(opening)
    assert targets("u")[0][ROUND] > targets("ɔ")[0][ROUND] > 0.4
    assert targets("i")[0][ROUND] == 0
    assert targets("i")[0][SPREAD] > targets("a")[0][SPREAD]


def test_stress_opens_vowels() -> None:
    assert targets("a", 1)[0][JAW] > targets("a", 2)[0][JAW] > targets("a", 0)[0][JAW]


@pytest.mark.parametrize("phone", ["p", "b", "m", "pʰ", "bː"])
def test_bilabials_close(phone: str) -> None:
    assert closes(phone)
    assert not tucks(phone)


@pytest.mark.parametrize("phone", ["f", "v", "pf"])
def test_labiodentals_tuck(phone: str) -> None:
    assert tucks(phone)
    assert not closes(phone)


@pytest.mark.parametrize("phone", ["w", "u", "k", "", "β"])
def test_others_do_not_close(phone: str) -> None:
    assert not closes(phone)


def test_bilabials_leave_rounding_to_their_neighbours() -> None:
    assert targets("p")[1][ROUND] < 0.1 < targets("u")[1][ROUND]


def test_dentals_show_the_tongue_and_hisses_the_teeth() -> None:
    assert targets("θ")[0][TONGUE] > targets("k")[0][TONGUE]
    assert targets("s")[0][LOWER] > targets("s")[0][JAW]


def test_diphthongs_are_two_steady_parts() -> None:
    assert parts("t") == (("t", 0.0, 1.0),)
    (first, a, b), (second, c, d) = parts("aɪ")
    assert (first, second) == ("a", "ɪ")
    assert (a, d) == (0.0, 1.0)
    assert b == c > 0.5


def _weights(**organs: float) -> dict[str, float]:
    row = np.zeros((1, len(ORGANS)), np.float32)
    for name, value in organs.items():
        row[0, ORGANS.index(name)] = value
    return {name: float(mouth_weights(row)[0, i]) for name, i in ARKIT_INDEX.items()}


def test_rest_is_no_weight_at_all() -> None:
    assert set(_weights().values()) == {0.0}


def test_an_open_vowel_opens_the_jaw_no_wider_than_speech_does() -> None:
    assert _weights(jaw=1.0)["jawOpen"] == pytest.approx(WIDEST_JAW)


def test_shut_lips_undo_all_that_the_jaw_opens() -> None:
    shut = _weights(jaw=0.8, close=1.0, upper=0.5, lower=0.5, round=0.5)
    assert shut["mouthClose"] == pytest.approx(shut["jawOpen"])
    assert shut["mouthUpperUpLeft"] == shut["mouthLowerDownRight"] == shut["mouthFunnel"] == 0
    assert shut["mouthPressLeft"] > 0.3


def test_a_tucked_lip_rolls_in_and_shows_the_upper_teeth() -> None:
    tucked = _weights(jaw=0.2, tuck=1.0, upper=0.3)
    assert tucked["mouthRollLower"] > 0.4
    assert tucked["mouthUpperUpLeft"] > 0.2


def test_rounding_puckers_and_spreading_stretches() -> None:
    assert _weights(round=1.0)["mouthPucker"] > 0.7
    assert _weights(spread=1.0)["mouthStretchLeft"] > 0.4
    assert _weights(round=1.0)["mouthStretchLeft"] == 0


def test_both_sides_move_alike() -> None:
    weights = _weights(jaw=0.5, spread=0.7, upper=0.3, lower=0.4, close=0.2)
    for name, value in weights.items():
        if name.endswith("Left"):
            assert weights[name.removesuffix("Left") + "Right"] == value


def test_organ_numbers_match_their_names() -> None:
    assert [ORGANS[i] for i in (JAW, CLOSE, TUCK)] == ["jaw", "close", "tuck"]


def test_a_gaze_turns_both_eyes_the_same_way() -> None:
    left = gaze_weights(WIDEST_GAZE / 2, -WIDEST_GAZE)
    assert left["eyeLookOutLeft"] == left["eyeLookInRight"] == 0.5
    assert left["eyeLookInLeft"] == left["eyeLookOutRight"] == left["eyeLookUpLeft"] == 0
    assert left["eyeLookDownRight"] == 1
    assert set(left) <= set(ARKIT_INDEX)
