"""General English in small: how often common words are said, alone and after one another."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from comps.asr.adaptation.ngram import Gram, NgramModel, smooth

_FILE = Path(__file__).with_name("general_english.txt")
"""Lines of ``word n``, an empty line, and lines of ``word next n next n ...``; n per ten million words.

From PocketSphinx's model of English: its 5000 most frequent words, and of the pairs of these the 30 000 that say
most beyond the words themselves. ``<s>`` and ``</s>`` are the beginning and the end of a sentence.
"""
_PER = 1e-7
_END_SHARE = 0.075
"""Share of sentence ends among words and ends: sentences of twelve words."""
_RUNNING_WORDS = 1e5
"""Length of the text whose counts the shares are taken for when they are smoothed."""


@dataclass(frozen=True, slots=True)
class GeneralEnglish:
    """Shares of all running words: of single words, and of pairs, of which only the telling ones are listed."""

    words: dict[Gram, float]
    pairs: dict[Gram, float]

    def within(self, vocabulary: Collection[str]) -> GeneralEnglish:
        """Only what consists of words of `vocabulary`, and the marks of a sentence's beginning and end."""
        known = {*vocabulary, "<s>", "</s>"}
        return GeneralEnglish(
            {gram: share for gram, share in self.words.items() if known.issuperset(gram)},
            {gram: share for gram, share in self.pairs.items() if known.issuperset(gram)},
        )


def general_model(english: GeneralEnglish) -> NgramModel:
    """The shares as a model of n-grams: the listed pairs, and single words wherever no pair is listed."""
    counts = [
        {gram: share * _RUNNING_WORDS for gram, share in table.items()} for table in (english.words, english.pairs)
    ]
    return smooth([*counts, {}])


def general_english() -> GeneralEnglish:
    """The shipped table."""
    words, pairs = _FILE.read_text(encoding="ascii").split("\n\n")
    shares: dict[Gram, float] = {("</s>",): _END_SHARE}
    shares.update({(word,): int(count) * _PER for word, count in map(str.split, words.splitlines())})
    return GeneralEnglish(shares, dict(_pairs(pairs)))


def _pairs(lines: str) -> list[tuple[Gram, float]]:
    found: list[tuple[Gram, float]] = []
    for line in lines.splitlines():
        first, *rest = line.split()
        found += [((first, second), int(count) * _PER) for second, count in zip(rest[::2], rest[1::2], strict=True)]
    return found
