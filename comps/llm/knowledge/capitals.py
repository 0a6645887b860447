"""Headings in the middle of a sentence: ordinary words lose the capital that a heading begins with, names keep theirs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from pathlib import Path

from comps.core.language.families import family
from comps.llm.knowledge.words import is_known

_NAMES = Path(__file__).with_name("english_names.txt")
"""The words of ``english_words.txt`` that are written with a capital: people, places, languages, days, firms."""

_ORDINARY = re.compile(r"[A-Z][a-z]*(?:-[a-z]+)*(?:['’]s)?")
"""What begins with a capital and has no other, which acronyms and names such as Wi-Fi have."""
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_BEGINS_ANEW = re.compile(r"[.!?:;\"“„(\n]\s*$")
_MOST_BEFORE = 4
"""Characters before a word that are looked at for the end of a sentence."""
_SHORT = 3
"""Letters of words such as "and", "of" and "the", which stay small where every other word of a heading has a capital."""


class Capitals:
    """Tells English names from other words.

    Args:
        texts: what a knowledge base says, a sentence each: a word that has a capital within these is a name, one that
            is small there is none. Of other words a list of common English ones decides, and a word that is not in
            it counts as a name.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._small, self._capital = Counter[str](), Counter[str]()
        for text in texts:
            for word in _within(text):
                (self._small if word[0].islower() else self._capital)[word.lower()] += 1
        self._families = {family(word) for word in self._small}

    def within_sentence(self, heading: str) -> str:
        """`heading` as it is written after other words: "Opening hours" is "opening hours", "Berlin office" stays.

        Of neighbours with capitals all are one name when one is, as in "New York", unless the first is a verb:
        "Visiting New York". Where a small word is among the longer ones, capitals after the first mean a name.
        """
        words = heading.split()
        everywhere = all(_starts_big(word) for word in words if len(word) > _SHORT)
        found: list[str] = []
        for big, group in groupby(words, _starts_big):
            run = list(group)
            at_start = not found
            if big and at_start and len(run) > 1 and run[0].endswith("ing") and self._is_common(run[0]):
                found.append(_small(run.pop(0)))
            lowered = big and all(map(self._is_common, run)) and (everywhere or (at_start and len(run) == 1))
            found += map(_small, run) if lowered else run
        return " ".join(found)

    def _is_common(self, word: str) -> bool:
        bare = word.strip('.,;:!?()"“”')
        if bare == "I" or not _ORDINARY.fullmatch(bare):
            return False
        small = re.sub("['’]s$", "", bare.lower())
        if self._small[small] or self._capital[small]:
            return self._small[small] >= self._capital[small]
        return all(self._is_known(part) for part in small.split("-") if part != "e")

    def _is_known(self, word: str) -> bool:
        return word not in _names() and (family(word) in self._families or is_known(word))


def _within(text: str) -> Iterator[str]:
    """The words of a sentence whose capital would say something: all but the first, and those that begin anew."""
    for match in _WORD.finditer(text):
        before = text[max(0, match.start() - _MOST_BEFORE) : match.start()]
        if match[0][0].islower() or (before and not _BEGINS_ANEW.search(before)):
            yield match[0]


def _starts_big(word: str) -> bool:
    return word.lstrip('("“')[:1].isupper()


def _small(word: str) -> str:
    return word.lower()


@cache
def _names() -> frozenset[str]:
    return frozenset(_NAMES.read_text(encoding="ascii").split())
