"""Phones of all languages as the few sounds that an ear tells apart."""

from __future__ import annotations

import pytest

from comps.core.hearing.sounds import SOUNDS, sound_of
from comps.core.language.phones import CONSONANTS, VOWELS, facts


@pytest.mark.parametrize("sound", SOUNDS)
def test_every_sound_is_itself(sound: str) -> None:
    assert SOUNDS[sound_of(sound)] == sound


@pytest.mark.parametrize(
    ("phone", "sound"),
    [("p", "m"), ("b", "m"), ("v", "f"), ("θ", "ð"), ("d", "t"), ("ŋ", "k"), ("tʃ", "ʃ"), ("z", "s"), ("x", "h"), ("ɲ", "n"),
     ("ʎ", "l"), ("ɾ", "r"), ("ʀ", "r"), ("uː", "u"), ("œ", "y"), ("ɪ", "i"), ("æ", "a"), ("ɚ", "ə"), ("oʊ", "o"), ("tsʰ", "s")],
)  # fmt: skip
def test_phones_of_many_languages(phone: str, sound: str) -> None:
    assert SOUNDS[sound_of(phone)] == sound


def test_what_the_lips_show_is_kept() -> None:
    for phone in (*VOWELS, *CONSONANTS):
        heard = facts(SOUNDS[sound_of(phone)])
        assert heard.closes_lips == facts(phone).closes_lips
        assert heard.kind == facts(phone).kind
        assert (heard.place == "labiodental") == (facts(phone).place == "labiodental")


def test_rounding_of_vowels_is_kept() -> None:
    assert all(facts(SOUNDS[sound_of(vowel)]).rounded == known.rounded for vowel, known in VOWELS.items())
