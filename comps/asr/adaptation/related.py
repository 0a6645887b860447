"""Words in which people ask about what a knowledge base says in others: relatives, synonyms, words that keep company."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from comps.asr.adaptation.corpus import ANSWER_WEIGHT, Sentence
from comps.asr.adaptation.general import GeneralEnglish
from comps.core.language.families import family
from comps.core.language.word_groups import COMPANY, SAME

_COMMON = 5e-4
"""Share of running words from which a word says nothing of what a base is about."""
_COMPANION = 0.5
"""How much a word counts that keeps company, beside a relative or a synonym."""


def related_words(sentences: Iterable[Sentence], english: GeneralEnglish) -> dict[str, float]:
    """The telling words of `sentences`, those related to them, and how much each is to be expected, 0 to 1.

    Args:
        sentences: the questions and answers of the base; made-up questions tell nothing of it.
        english: relatives are taken from its words.
    """
    relatives: dict[str, list[str]] = {}
    for (word,) in english.words:
        relatives.setdefault(family(word), []).append(word)
    common = {name for name, words in relatives.items() if max(english.words[word,] for word in words) > _COMMON}
    own = {word for sentence in sentences if sentence.weight >= ANSWER_WEIGHT for word in sentence.words}
    told = {word for word in own if family(word) not in common}
    families = {family(word) for word in told}
    found: dict[str, float] = {}
    for word, closeness in _company(families):
        found[word] = max(found.get(word, 0.0), closeness)
    found.update(dict.fromkeys((word for name in families for word in relatives.get(name, ())), 1.0))
    found.update(dict.fromkeys(told, 1.0))
    return found


def _company(families: set[str]) -> Iterator[tuple[str, float]]:
    for groups, closeness in ((SAME, 1.0), (COMPANY, _COMPANION)):
        for group in groups:
            if not families.isdisjoint(map(family, group)):
                yield from ((word, closeness) for word in group)
