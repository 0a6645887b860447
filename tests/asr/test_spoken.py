from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.asr.adaptation.spoken import number_words, spoken_words, tokens


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("0", "zero"), ("13", "thirteen"), ("40", "forty"), ("42", "forty two"), ("100", "one hundred"),
        ("512", "five hundred twelve"), ("3009", "three thousand nine"), ("1000000", "one million"),
        ("3.14", "three point one four"), ("007", "zero zero seven"), ("0.5", "zero point five"),
        ("9999999999999", "nine nine nine nine nine nine nine nine nine nine nine nine nine"),
    ],
)  # fmt: skip
def test_numbers_are_read_aloud(number: str, words: str) -> None:
    assert " ".join(number_words(number)) == words


def test_words_are_lower_case_and_names_stay_whole() -> None:
    assert spoken_words("Does Wav2Lip's port 3009 work?") == [
        "does",
        "wav2lip's",
        "port",
        "three",
        "thousand",
        "nine",
        "work",
    ]


def test_marks_and_hyphens_separate_words() -> None:
    assert tokens("follow-up: make_demo (3.14)") == ["follow", "up", "make", "demo", "3.14"]


@given(st.text(max_size=200))
def test_any_text_gives_words_a_dictionary_can_hold(text: str) -> None:
    for word in spoken_words(text):
        assert word
        assert not word.isdecimal()
        assert not any(char.isspace() for char in word)


@given(st.integers(0, 10**14))
def test_any_number_has_words(number: int) -> None:
    assert all(word.isalpha() for word in number_words(str(number)))
