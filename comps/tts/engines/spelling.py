"""Text in the letters that a model was trained on: numbers in words, other scripts and accents in its own letters.

Models that read letters pass over those that they do not know, so "at 10.30" would become "at".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from num2words import num2words

from comps.core.errors import UnprocessableError

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_DECIMAL_COMMA = frozenset(
    ("bg", "cs", "da", "de", "el", "es", "fi", "fr", "hu", "id", "it", "kk", "lt", "lv", "nl", "no", "pl", "pt", "ro",
     "ru", "sk", "sl", "sr", "sv", "tr", "uk", "vi")
)  # fmt: skip
_LONGEST_NUMBER = 15
"""Digits; of longer ones each digit is read."""

_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "."})


class Spelling:
    """Writes text for one model.

    Args:
        knows: whether the model has a letter for this character.
        language: BCP 47 tag of the model, for its numbers.
        romanize: any script to Latin letters, for models that were trained so.
    """

    def __init__(
        self, knows: Callable[[str], bool], language: str, romanize: Callable[[str], str] | None = None
    ) -> None:
        self._knows = knows
        self._language = language.replace("_", "-").partition("-")[0].lower()
        self._romanize = romanize

    def __call__(self, text: str) -> str:
        """`text` as the model can read it; raises UnprocessableError when none of its letters is known."""
        if not any(self._knows(digit) for digit in "123"):
            text = _NUMBER.sub(lambda match: in_words(match.group(), self._language), text)
        if self._romanize is not None:
            text = self._romanize(text)
        written = "".join(char if self._knows(char) else self._nearest(char) for char in text)
        if not any(char.isalnum() and self._knows(char) for char in written):
            raise UnprocessableError("the model knows none of the letters of this text", param="text")
        return written

    def _nearest(self, char: str) -> str:
        """The same sign plainer, or the letter without its accents; a blank where the model has no such sign."""
        if self._knows(plain := char.translate(_PLAIN)):
            return plain
        bare = "".join(part for part in unicodedata.normalize("NFKD", char) if self._knows(part))
        return bare or ("" if char.isalnum() or unicodedata.category(char).startswith("M") else " ")


def in_words(number: str, language: str) -> str:
    """`number` (``1,234.5``) in words of `language`, its dots and commas read as usual there.

    In a language whose number words are not known it stays as it is.
    """
    point, group = (",", ".") if language in _DECIMAL_COMMA else (".", ",")
    if re.fullmatch(rf"\d{{1,3}}(?:{re.escape(group)}\d{{3}})+(?:{re.escape(point)}\d+)?", number):
        number = number.replace(group, "")
    parts = re.split(r"[.,]", number)
    if len(parts) < 3:
        return _words(".".join(parts), language)
    return ", ".join(_words(part, language) for part in parts)  # a version, an address


def _words(number: str, language: str) -> str:
    try:
        if len(number) > _LONGEST_NUMBER or re.match(r"0\d", number):
            return " ".join(num2words(digit, lang=language) for digit in number if digit.isdigit())
        return str(num2words(number, lang=language))
    except NotImplementedError:
        return number
