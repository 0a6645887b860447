"""Text as retrieval sees it: lower case, plain letters, contractions opened, words and Chinese characters."""

from __future__ import annotations

import re
import unicodedata

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_HAS_CJK = re.compile(f"[{_CJK}]")
_TOKEN = re.compile(f"[{_CJK}]|[^\\W\\d_{_CJK}]+|\\d+")
_CONTRACTIONS = (
    (re.compile(r"\bcan't\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\b(what|who|where|how|that|it|there|when|here|he|she)'s\b"), r"\1 is"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"'(d|s)\b"), ""),
)


def has_cjk(text: str) -> bool:
    """Whether Chinese characters occur in `text`."""
    return _HAS_CJK.search(text) is not None


def tokens(text: str) -> list[str]:
    """Lower-case words without accents, numbers, and single Chinese characters; punctuation is dropped."""
    plain = unicodedata.normalize("NFKD", text.replace("\u2019", "'")).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    for pattern, replacement in _CONTRACTIONS:
        plain = pattern.sub(replacement, plain)
    return _TOKEN.findall(plain)


def count_tokens(text: str) -> int:
    """Words, numbers and Chinese characters of `text`."""
    return len(_TOKEN.findall(text))


def first_tokens(text: str, count: int) -> str:
    """The beginning of `text` up to the end of its token number `count`."""
    ends = [match.end() for match in _TOKEN.finditer(text)]
    return text if len(ends) <= count else text[: ends[count - 1]]
