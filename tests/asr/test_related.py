"""Words in which a base may be asked about what it says in others."""

from __future__ import annotations

from comps.asr.adaptation.corpus import PATTERN_WEIGHT, Sentence
from comps.asr.adaptation.general import general_english
from comps.asr.adaptation.related import related_words


def related(text: str, weight: float = 1.0) -> dict[str, float]:
    return related_words([Sentence(tuple(text.split()), weight)], general_english())


def test_relatives_and_synonyms_are_expected_as_much_as_the_word_itself() -> None:
    found = related("do you deliver")
    assert found["deliver"] == found["delivered"] == found["ship"] == 1.0


def test_words_that_keep_company_are_expected_less() -> None:
    assert 0.0 < related("how do i park")["car"] < 1.0


def test_common_words_and_made_up_questions_tell_nothing() -> None:
    assert not {"do", "you", "how"} & related("how do you deliver").keys()
    assert related("how do you deliver", PATTERN_WEIGHT) == {}
