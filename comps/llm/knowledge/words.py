"""How much an English word says of what a question is about."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from comps.core.language.families import family
from comps.llm.knowledge.frames import FRAMES
from comps.llm.knowledge.text import tokens

_FREQUENCIES = Path(__file__).with_name("english_words.txt")
"""Lines of ``n word word ...``: words that make up 10 ** -n of English (unigrams of PocketSphinx's model, n up to 5)."""

_COMMON, _RARE = 2.6, 5.0
_SHARE_OF_FRAME_WORDS = 0.1


def telling(word: str) -> float:
    """How much `word` (lower case) says of what a question is about, 0 ("the") to 1 ("toothache").

    By how rare its family is in English, so that it does not depend on the size of a knowledge base.
    Words of usual phrases ("how long", "do you have") say little however rare.
    """
    rarity = _frequencies().get(family(word), _RARE)
    share = min(1.0, max(0.0, (rarity - _COMMON) / (_RARE - _COMMON)))
    return share * _SHARE_OF_FRAME_WORDS if word in _frame_words() else share


def is_known(word: str) -> bool:
    """Whether `word` (lower case), or a relative of it, is among the some 5000 most frequent ones of English."""
    return family(word) in _frequencies()


@cache
def _frequencies() -> dict[str, float]:
    """Of every family, the negative decimal logarithm of its most frequent word's share."""
    found: dict[str, float] = {}
    for line in _FREQUENCIES.read_text(encoding="ascii").splitlines():
        rarity, *words = line.split()
        for word in words:
            found.setdefault(family(word), float(rarity))
    return found


@cache
def _frame_words() -> frozenset[str]:
    return frozenset(word for frame in FRAMES["en"] for word in tokens(frame))
