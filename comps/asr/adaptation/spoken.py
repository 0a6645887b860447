"""Written English as it is spoken: the words a recogniser can hear, in lower case."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_][^\W_]*(?:'[^\W\d_]+)?", re.UNICODE)
_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ((1_000_000_000, "billion"), (1_000_000, "million"), (1000, "thousand"), (100, "hundred"))
_LARGEST = 999_999_999_999


def tokens(text: str) -> list[str]:
    """Words as written, numbers apart: ``"Wav2Lip's 3.14"`` gives ``["Wav2Lip's", "3.14"]``."""
    return _TOKEN.findall(text.replace("’", "'"))


def spoken_words(text: str) -> list[str]:
    """The words of `text` as they are said, lower case: ``"Port 3009?"`` gives ``port three thousand nine``."""
    words: list[str] = []
    for token in tokens(text):
        words.extend(number_words(token) if token[0].isdecimal() else [token.lower()])
    return words


def number_words(number: str) -> list[str]:
    """A decimal number in words; digit by digit when it is too long or begins with a zero."""
    whole, _, fraction = number.partition(".")
    if (len(whole) > 1 and whole[0] == "0") or int(whole) > _LARGEST:
        words = [_ONES[int(digit)] for digit in whole]
    else:
        words = _integer(int(whole))
    return [*words, "point", *(_ONES[int(digit)] for digit in fraction)] if fraction else words


def _integer(value: int) -> list[str]:
    if value < len(_ONES):
        return [_ONES[value]]
    for scale, name in _SCALES:
        if value >= scale:
            rest = value % scale
            return [*_integer(value // scale), name, *(_integer(rest) if rest else ())]
    tens, ones = divmod(value, 10)
    return [_TENS[tens - 2], *([_ONES[ones]] if ones else [])]
