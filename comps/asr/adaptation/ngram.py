"""A trigram model with Witten-Bell smoothing, counted from weighted sentences and general English, as ARPA text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from comps.asr.adaptation.corpus import Sentence
from comps.asr.adaptation.general import GeneralEnglish

ORDER = 3
START, END = "<s>", "</s>"
_NEVER = -99.0

Gram = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NgramModel:
    """Probabilities of n-grams by length, and the weight each context gives to the next shorter one.

    `probabilities[n - 1]` maps n words to P(last | others); `backoffs` maps a context to its weight.
    """

    probabilities: tuple[Mapping[Gram, float], ...]
    backoffs: Mapping[Gram, float]

    def probability(self, words: Gram) -> float:
        """P(last word | the words before it), the last `ORDER` of them counting; 0 for an unknown word."""
        words = words[-ORDER:]
        found = self.probabilities[len(words) - 1].get(words)
        if found is not None:
            return found
        if len(words) == 1:
            return 0.0
        return self.backoffs.get(words[:-1], 1.0) * self.probability(words[1:])


def train(
    sentences: Iterable[Sentence], general: GeneralEnglish | None = None, general_share: float = 0.0
) -> NgramModel:
    """Count `sentences` and smooth.

    Args:
        sentences: what is expected to be said.
        general: what else may be said.
        general_share: of all words counted, those of `general`, 0 to below 1.
    """
    counts = _count(sentences)
    if general:
        _add(counts, general, sum(counts[0].values()) * general_share / (1 - general_share))
    unigrams = _unigrams(counts[0])
    probabilities: list[dict[Gram, float]] = [unigrams]
    backoffs: dict[Gram, float] = {}
    for order in range(2, ORDER + 1):
        shares = _novelty(counts[order - 1])
        backoffs.update({context: share for context, (share, _) in shares.items()})
        shorter = NgramModel(tuple(probabilities), backoffs)
        probabilities.append(
            {
                gram: (1 - share) * count / total + share * shorter.probability(gram[1:])
                for gram, count in counts[order - 1].items()
                for share, total in (shares[gram[:-1]],)
            }
        )
    return NgramModel(tuple(probabilities), backoffs)


def _add(counts: tuple[dict[Gram, float], ...], general: GeneralEnglish, words: float) -> None:
    """Count general English as if it had said that many words."""
    for table, shares in zip(counts, (general.words, general.pairs), strict=False):
        for gram, part in shares.items():
            table[gram] = table.get(gram, 0.0) + part * words


def _count(sentences: Iterable[Sentence]) -> tuple[dict[Gram, float], ...]:
    counts: tuple[dict[Gram, float], ...] = tuple({} for _ in range(ORDER))
    for sentence in sentences:
        words = (START, *sentence.words, END)
        for order, table in enumerate(counts, start=1):
            for end in range(max(order, 2), len(words) + 1):
                gram = words[end - order : end]
                table[gram] = table.get(gram, 0.0) + sentence.weight
    return counts


def _unigrams(counts: Mapping[Gram, float]) -> dict[Gram, float]:
    total = sum(counts.values())
    return {gram: count / total for gram, count in counts.items()}


def _novelty(counts: Mapping[Gram, float]) -> dict[Gram, tuple[float, float]]:
    """Of every context: the Witten-Bell weight of what was never seen after it, and how often it was seen."""
    totals: dict[Gram, float] = {}
    kinds: dict[Gram, float] = {}
    for gram, count in counts.items():
        context = gram[:-1]
        totals[context] = totals.get(context, 0.0) + count
        kinds[context] = kinds.get(context, 0.0) + min(1.0, count)
    return {context: (kinds[context] / (kinds[context] + total), total) for context, total in totals.items()}


def arpa(model: NgramModel) -> str:
    """The model in ARPA format, base-10 logarithms."""
    tables = [{**model.probabilities[0], (START,): 0.0}, *model.probabilities[1:]]
    lines = ["\\data\\", *(f"ngram {n}={len(table)}" for n, table in enumerate(tables, start=1))]
    for n, table in enumerate(tables, start=1):
        lines += ["", f"\\{n}-grams:"]
        lines += [_line(gram, table[gram], model.backoffs.get(gram)) for gram in sorted(table)]
    return "\n".join([*lines, "", "\\end\\", ""])


def _line(gram: Gram, probability: float, backoff: float | None) -> str:
    log = math.log10(probability) if probability > 0 else _NEVER
    words = " ".join(gram)
    return f"{log:.4f}\t{words}" + (f"\t{math.log10(backoff):.4f}" if backoff else "")
