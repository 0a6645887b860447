"""Numbers, accents and scripts as a model of few letters can read them."""

from __future__ import annotations

import string

import pytest

from comps.core.errors import UnprocessableError

pytestmark = pytest.mark.torch

LETTERS = frozenset(string.ascii_letters + " '.,")


@pytest.mark.parametrize(
    ("written", "language", "words"),
    [
        ("3.14", "en", "three point one four"),
        ("1,234", "en", "one thousand, two hundred and thirty-four"),
        ("3,14", "de", "drei Komma eins vier"),
        ("1.234", "de", "eintausendzweihundertvierunddreißig"),
        ("1.2.3", "en", "one, two, three"),
        ("007", "en", "zero zero seven"),
        ("12", "xx", "12"),
    ],
)
def test_numbers_in_words(written: str, language: str, words: str) -> None:
    from comps.tts.engines.spelling import in_words

    assert in_words(written, language) == words


def test_what_the_model_has_no_sign_for_is_written_in_its_own() -> None:
    from comps.tts.engines.spelling import Spelling

    spell = Spelling(LETTERS.__contains__, "en")
    assert spell("Don\u2019t \u2014 caf\u00e9 21!") == "Don't   cafe twenty one "
    with pytest.raises(UnprocessableError, match="none of the letters"):
        spell("\u4f60\u597d")


def test_digits_that_the_model_knows_stay() -> None:
    from comps.tts.engines.spelling import Spelling

    assert Spelling((LETTERS | set(string.digits)).__contains__, "en")("21 men") == "21 men"


def test_other_scripts_are_romanized_after_their_numbers_are_words() -> None:
    from comps.tts.engines.spelling import Spelling

    assert Spelling(LETTERS.__contains__, "ru", lambda text: text.replace("два", "dva"))("2") == "dva"
