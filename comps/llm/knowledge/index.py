"""A small TF-IDF index over n-grams: cosine of a question with every known question, in well under a millisecond.

scikit-learn's vectoriser does the same sums, but costs 1.8 s and 90 MB to import and drops n-grams it
has never seen; here these count as rare, which is how a question about something else is told apart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.llm.knowledge.features import Features

Scores = NDArray[np.float32]

_DOUBT = 1.5
# Added to what has to be covered, so that words which say nothing are not fully explained by anything.


@dataclass(frozen=True, slots=True)
class _Posting:
    documents: NDArray[np.int32]
    weights: NDArray[np.float32]


class NgramIndex:
    """Cosine similarity of weighted n-grams.

    Args:
        documents: texts to be found.
        background: texts that only tell which n-grams say little ("what is the...").
        featurise: text to weighted n-grams.
    """

    def __init__(
        self, documents: Sequence[str], background: Iterable[str], featurise: Callable[[str], Features]
    ) -> None:
        self._featurise = featurise
        bags = [featurise(text) for text in documents]
        seen = Counter(key for bag in bags for key in bag)
        seen.update(key for text in background for key in featurise(text))
        total = len(bags) + 1
        self._idf = {key: math.log1p(total / count) for key, count in seen.items()}
        self._unseen = math.log1p(total)
        self._size = len(bags)
        self._postings = _postings([self._weigh(bag) for bag in bags])

    def scores(self, text: str) -> Scores:
        """Cosine of `text` with each document, 0 to 1, float32 `[documents]`; all 0 when it has no n-grams."""
        total = np.zeros(self._size, dtype=np.float32)
        for key, weight in self._weigh(self._featurise(text)).items():
            posting = self._postings.get(key)
            if posting is not None:
                total[posting.documents] += weight * posting.weights
        return total

    def coverage(self, text: str) -> Scores:
        """Share of what `text` says that occurs in each document, 0 to 1, float32 `[documents]`."""
        total = np.zeros(self._size, dtype=np.float32)
        bag = self._featurise(text)
        weighted = {key: min(weight, 1.0) * self._idf.get(key, self._unseen) for key, weight in bag.items()}
        for key, weight in weighted.items():
            posting = self._postings.get(key)
            if posting is not None:
                total[posting.documents] += weight
        return total / (sum(weighted.values()) + _DOUBT)

    def unseen(self, text: str, weight: float) -> int:
        """How many features of at least `weight` in `text` occur in no document and no background text."""
        return sum(given >= weight and key not in self._idf for key, given in self._featurise(text).items())

    def _weigh(self, bag: Features) -> dict[str, float]:
        """TF-IDF of unit length."""
        weighted = {key: math.sqrt(count) * self._idf.get(key, self._unseen) for key, count in bag.items()}
        length = math.sqrt(sum(weight * weight for weight in weighted.values())) or 1.0
        return {key: weight / length for key, weight in weighted.items()}


def _postings(weighted: Sequence[dict[str, float]]) -> dict[str, _Posting]:
    lists: dict[str, list[tuple[int, float]]] = {}
    for document, bag in enumerate(weighted):
        for key, weight in bag.items():
            lists.setdefault(key, []).append((document, weight))
    return {
        key: _Posting(
            np.array([document for document, _ in entries], dtype=np.int32),
            np.array([weight for _, weight in entries], dtype=np.float32),
        )
        for key, entries in lists.items()
    }
