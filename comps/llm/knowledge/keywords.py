"""Finds topics by their words alone: which share of what a question says belongs to a topic.

A base of a few topics has too few example questions for likeness of whole questions, but also few
topics to be mistaken for each other: one telling word is enough, if nothing else in the question
is foreign to the topic.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from comps.core.language.families import family
from comps.core.language.word_groups import COMPANY, SAME
from comps.llm.knowledge.synonyms import SYNONYMS
from comps.llm.knowledge.text import tokens
from comps.llm.knowledge.topic import Topic
from comps.llm.knowledge.words import telling

Shares = NDArray[np.float32]

_ASKED, _ANSWERED = 1.0, 0.75
"""What a word counts that is in a topic's heading or questions, and one that is only in its answer."""
_SYNONYM, _COMPANION = 0.95, 0.6
_DOUBT = 0.15
"""Added to what has to be explained, so that a question of common words alone is explained by nothing."""


class KeywordIndex:
    """Words of topics, their families, synonyms and the company they keep; for English.

    Args:
        topics: those to be found; their number decides the order of scores.
    """

    def __init__(self, topics: Sequence[Topic]) -> None:
        lists: dict[str, list[tuple[int, float]]] = {}
        for number, topic in enumerate(topics):
            for key, share in _explained(topic).items():
                lists.setdefault(key, []).append((number, share))
        self._postings = {key: _posting(entries) for key, entries in lists.items()}
        self._size = len(topics)

    def scores(self, question: str) -> Shares:
        """Share of what `question` says that each topic explains, 0 to 1, float32 `[topics]`."""
        total = np.zeros(self._size, dtype=np.float32)
        said = _DOUBT
        for word in dict.fromkeys(tokens(question)):
            weight = telling(word)
            said += weight
            total += weight * self._explaining(word)
        return total / np.float32(said)

    def _explaining(self, word: str) -> Shares:
        """How well each topic explains `word`, 0 to 1."""
        best = np.zeros(self._size, dtype=np.float32)
        for key, _ in _keys(word):
            if key in self._postings:
                numbers, shares = self._postings[key]
                best[numbers] = np.maximum(best[numbers], shares)
        return best


def _posting(entries: Sequence[tuple[int, float]]) -> tuple[NDArray[np.int32], Shares]:
    numbers, shares = zip(*entries, strict=True)
    return np.array(numbers, dtype=np.int32), np.array(shares, dtype=np.float32)


def _explained(topic: Topic) -> dict[str, float]:
    """Keys of the topic's words, and how well each is explained by it."""
    known: dict[str, float] = {}
    asked, answered = (topic.title, *topic.examples), (topic.context, *topic.answer)
    for share, distance, texts in ((_ASKED, 1, asked), (_ANSWERED, 2, answered)):
        for word in (word for text in texts for word in tokens(text)):
            for key, closeness in _keys(word):
                known[key] = max(known.get(key, 0.0), share * closeness**distance)
    return known


@lru_cache(maxsize=16_384)
def _keys(word: str) -> tuple[tuple[str, float], ...]:
    """Names under which `word` is found, and how near each is to the word itself."""
    own = family(word)
    return ((own, 1.0), *_groups_by_family().get(own, {}).items())


@cache
def _groups_by_family() -> dict[str, dict[str, float]]:
    """The groups of every word family, and how near a word is to the others of the group."""
    found: dict[str, dict[str, float]] = {}
    for word, name in SYNONYMS.items():
        found.setdefault(family(word), {})[name] = _SYNONYM
    groups = [*((_SYNONYM, group) for group in SAME), *((_COMPANION, group) for group in COMPANY)]
    for number, (closeness, group) in enumerate(groups):
        for word in group:
            found.setdefault(family(word), {})[f"group {number}"] = closeness
    return found
