"""What the tongue does in each sound."""

from __future__ import annotations

import numpy as np
import pytest

from comps.animation.audio2face.inference.tongue_shapes import tongue_shape
from comps.animation.audio2face.names import TONGUE_SHAPES
from comps.core.language.phones import CONSONANTS, VOWELS


def at(phone: str, shape: str) -> float:
    return float(tongue_shape(phone)[TONGUE_SHAPES.index(shape)])


@pytest.mark.parametrize(
    ("phone", "shape"),
    [("t", "TongueTipUp"), ("n", "TongueTipUp"), ("l", "TongueTipUp"), ("θ", "TongueStretch"), ("ɹ", "TongueRollUp"),
     ("k", "TongueUp"), ("ɡ", "TongueUp"), ("ɑ", "TongueDown"), ("u", "TongueIn"), ("i", "TongueStretch")],
)  # fmt: skip
def test_the_shape_that_a_sound_is_made_with(phone: str, shape: str) -> None:
    assert at(phone, shape) > 1.3 * max(at("p", shape), at("h", shape), at("ə", shape), 0.05)


@pytest.mark.parametrize("phone", ["", "p", "m", "f", "h", "ʔ"])
def test_lips_glottis_and_silence_leave_the_tongue_alone(phone: str) -> None:
    assert not tongue_shape(phone).any()


def test_weights_are_within_bounds_and_the_same_on_both_sides() -> None:
    for phone in (*VOWELS, *CONSONANTS):
        weights = tongue_shape(phone)
        assert weights.min() >= 0
        assert weights.max() <= 1
        assert at(phone, "TongueLeft") == at(phone, "TongueRight")
        assert np.array_equal(weights, tongue_shape(phone + "ː")) or phone not in VOWELS
