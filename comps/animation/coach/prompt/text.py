"""The words of a prompt: English ones, Chinese signs, sentences, and how many tokens they make."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

SIGNS_PER_WORD = 1.6
"""Chinese signs that say as much as one English word."""
_LETTERS_PER_TOKEN = 4
_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_SIGN = re.compile(f"[{_CJK}]")
_WORD = re.compile(rf"[^\W\d_{_CJK}]+(?:['’][^\W\d_{_CJK}]+)*|\d+", re.UNICODE)
_MARK = re.compile(rf"[^\w\s{_CJK}]")
_SENTENCE = re.compile(r".+?(?:[.!?](?=\s|$)|[。！？]|\n|$)\s*", re.DOTALL)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = _words("the and of with is are her his she while from their to wearing")
_FOREIGN = _words(
    "der die das und ein eine einer einem mit ist im auf zu den dem sich la le les el los las de del des et un une avec dans "
    "con y por su una il lo gli per che di della nel na em com os uma och ett det som med av het een van met op zijn i w z "
    "jest si je se en au du est qui que"
)
"""Small words that tell English from other languages in Latin letters."""


@dataclass(frozen=True, slots=True)
class PromptText:
    """What is counted of a prompt.

    Args:
        words: words between blanks, in any language.
        signs: Chinese signs.
        english: share of the text that is English, 0..1, by what it says.
    """

    words: int
    signs: int
    english: float

    @property
    def length(self) -> float:
        """Words, `SIGNS_PER_WORD` Chinese signs being one."""
        return self.words + self.signs / SIGNS_PER_WORD

    @property
    def language(self) -> str:
        """``en``, ``zh``, or ``""`` for one that the coach cannot read."""
        if self.signs / SIGNS_PER_WORD > self.words:
            return "zh"
        return "en" if self.english >= 0.5 or not self.length else ""


def read_text(text: str) -> PromptText:
    """Count `text`."""
    words = [word.lower() for word in _WORD.findall(text)]
    signs = len(_SIGN.findall(text))
    length = len(words) + signs / SIGNS_PER_WORD
    english = len(words) / length * _english(words) if length else 1.0
    return PromptText(len(words), signs, english)


def _english(words: list[str]) -> float:
    """How much of `words` is English: letters of its alphabet, and its small words rather than those of others."""
    latin = sum(word.isascii() for word in words) / max(1, len(words))
    own, other = sum(word in _ENGLISH for word in words), sum(word in _FOREIGN for word in words)
    return latin * (own + 1) / (own + other + 1)


def sentences(text: str) -> list[str]:
    """The sentences of `text`, each with the blanks behind it; together they are the text."""
    return [found for found in _SENTENCE.findall(text) if found]


def tokens(text: str) -> int:
    """About how many tokens `text` has for a text encoder of a multilingual vocabulary, rather too many than too few.

    One for every four letters begun of a word, one for a mark and one for a Chinese sign.
    """
    words = sum(math.ceil(len(word) / _LETTERS_PER_TOKEN) for word in _WORD.findall(text))
    return words + len(_SIGN.findall(text)) + len(_MARK.findall(text)) + 1
