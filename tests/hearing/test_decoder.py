"""The search: clear sounds are found, flickers are not, and a sound is settled after the delay."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from comps.core.hearing.acoustic_model import acoustic_model
from comps.core.hearing.decoder import STEP, Decoder
from comps.core.hearing.sounds import SOUND_INDEX, SOUNDS

DELAY = 4


def likelihoods(sounds: NDArray[np.intp], margin: float = 5.0) -> NDArray[np.float32]:
    """Log likelihoods `[n, 25]` that favour the given sounds."""
    scores = np.full((len(sounds), len(SOUNDS)), -margin, np.float32)
    scores[np.arange(len(sounds)), sounds] = 0
    return scores


def decode(scores: NDArray[np.float32], piece: int) -> NDArray[np.intp]:
    decoder = Decoder(acoustic_model(), DELAY)
    told = [decoder.step(scores[start : start + piece]) for start in range(0, len(scores), piece)]
    return np.concatenate([*told, decoder.finish()])


WORD = np.repeat([SOUND_INDEX[sound] for sound in ("", "m", "ɑ", "t", "i", "")], 10)


@pytest.mark.parametrize("piece", [2, 10, 60])
def test_clear_sounds_are_found(piece: int) -> None:
    np.testing.assert_array_equal(decode(likelihoods(WORD), piece), WORD)


def test_a_flicker_of_one_frame_is_no_sound() -> None:
    flicker = WORD.copy()
    flicker[25] = SOUND_INDEX["m"]
    np.testing.assert_array_equal(decode(likelihoods(flicker), 10), WORD)


def test_on_one_path_a_sound_lasts_two_steps_at_least() -> None:
    random = np.random.default_rng(0)
    told = decode(random.normal(0, 3, (400, len(SOUNDS))).astype(np.float32), 400)
    changes = np.flatnonzero(np.diff(told)) + 1
    assert len(changes) > 10
    assert np.diff(changes).min() >= 2 * STEP


def test_all_but_the_delay_is_told_at_once() -> None:
    decoder = Decoder(acoustic_model(), DELAY)
    assert [len(decoder.step(likelihoods(WORD[at : at + 10]))) for at in (0, 10, 20)] == [10 - DELAY, 10, 10]
    assert len(decoder.finish()) == DELAY
    assert len(decoder.finish()) == 0
