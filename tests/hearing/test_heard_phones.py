"""Sounds as phones: gaps of stops, the open end, and forgetting."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from comps.core.hearing.front_end import SAMPLE_RATE
from comps.core.hearing.heard_phones import KEEP_S, HeardPhones, phones_of
from comps.core.hearing.recognise import hear_phones
from comps.core.hearing.sounds import SOUND_INDEX
from comps.core.language.espeak_library import RawSettings
from comps.core.speech import Phone
from tests.hearing.spoken import speak


def sounds(*runs: tuple[str, int]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.repeat([SOUND_INDEX[sound] for sound, _ in runs], [frames for _, frames in runs]).astype(np.intp)


def test_equal_frames_are_one_phone() -> None:
    assert phones_of(sounds(("m", 6), ("a", 12)), 0.18) == (
        Phone("m", 0, pytest.approx(0.06)),
        Phone("a", pytest.approx(0.06), 0.18),
    )


def test_a_short_silence_belongs_to_the_sound_before_it_and_a_long_one_is_a_pause() -> None:
    short, long = (phones_of(sounds(("a", 10), ("", frames), ("t", 5)), 1.0) for frames in (6, 15))
    assert [phone.phone for phone in short] == ["a", "t"]
    assert [phone.phone for phone in long] == ["a", "", "t"]


def test_pieces_give_the_same_phones() -> None:
    whole, pieces = HeardPhones(), HeardPhones()
    heard = sounds(("", 12), ("m", 6), ("a", 12), ("n", 7))
    whole.add(heard)
    for piece in np.array_split(heard, 9):
        pieces.add(piece)
    assert list(pieces.recent) == list(whole.recent)
    assert pieces.end == whole.end == pytest.approx(0.37)


def test_what_is_long_past_is_forgotten_and_what_is_near_is_kept() -> None:
    heard = HeardPhones()
    heard.add(sounds(*[("m", 10), ("a", 10)] * 50))
    heard.forget(9.0)
    assert heard.recent[0].end > 9.0 - KEEP_S
    assert len(heard.recent) < 20
    around = heard.around(np.array([9.05, 9.15]), 2)
    assert (around == [[SOUND_INDEX["m"]] * 5, [SOUND_INDEX["a"]] * 5]).all()


def test_recognised_phones_cover_the_audio() -> None:
    audio, _ = speak("Good morning to everybody.", RawSettings("gmw/en-US+edward", rate=160))
    phones = hear_phones(audio)
    assert phones[0].start == 0
    assert phones[-1].end == pytest.approx(len(audio) / SAMPLE_RATE)
    assert all(a.end == b.start for a, b in pairwise(phones))
    assert hear_phones(audio[:0]) == ()
