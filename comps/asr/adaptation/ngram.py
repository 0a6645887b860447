"""A trigram model with Witten-Bell smoothing, counted from weighted sentences, as ARPA text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from comps.asr.adaptation.corpus import Sentence

ORDER = 3
START, END = "<s>", "</s>"
FILLER = "#"
"""What the words begin with that only fill a model up."""
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


def train(sentences: Iterable[Sentence], hints: Mapping[str, float] | None = None, novelty: float = 1.0) -> NgramModel:
    """Count `sentences` and smooth.

    Args:
        sentences: what is expected to be said.
        hints: words that are expected in any place, and how often each counts.
        novelty: factor on the weight of what was never seen after a context; near 0, only whole sentences are likely.
    """
    counts = _count(sentences)
    for word, count in (hints or {}).items():
        counts[0][word,] = counts[0].get((word,), 0.0) + count
    return smooth(counts, novelty)


def smooth(counts: Sequence[Mapping[Gram, float]], novelty: float = 1.0) -> NgramModel:
    """A model of counted n-grams, ``counts[n - 1]`` those of n words; `novelty` as for `train`."""
    unigrams = _unigrams(counts[0])
    probabilities: list[dict[Gram, float]] = [unigrams]
    backoffs: dict[Gram, float] = {}
    for table in counts[1:]:
        shares = _novelty(table, novelty)
        backoffs.update({context: share for context, (share, _) in shares.items()})
        shorter = NgramModel(tuple(probabilities), backoffs)
        probabilities.append(
            {
                gram: (1 - share) * count / total + share * shorter.probability(gram[1:])
                for gram, count in table.items()
                for share, total in (shares[gram[:-1]],)
            }
        )
    return NgramModel(tuple(probabilities), backoffs)


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


def _novelty(counts: Mapping[Gram, float], factor: float) -> dict[Gram, tuple[float, float]]:
    """Of every context: `factor` times the Witten-Bell weight of what was never seen after it, and how often it was seen."""
    totals: dict[Gram, float] = {}
    kinds: dict[Gram, float] = {}
    for gram, count in counts.items():
        context = gram[:-1]
        totals[context] = totals.get(context, 0.0) + count
        kinds[context] = kinds.get(context, 0.0) + min(1.0, count)
    return {context: (factor * kinds[context] / (kinds[context] + total), total) for context, total in totals.items()}


def arpa(model: NgramModel, least_words: int = 0) -> str:
    """The model in ARPA format, base-10 logarithms; it lists `least_words` or more, some of them words nobody says."""
    words = {**model.probabilities[0], (START,): 0.0}
    fillers: dict[Gram, float] = {(f"{FILLER}{number}",): 0.0 for number in range(least_words - len(words))}
    tables = [{**words, **fillers}, *model.probabilities[1:]]
    lines = ["\\data\\", *(f"ngram {n}={len(table)}" for n, table in enumerate(tables, start=1))]
    for n, table in enumerate(tables, start=1):
        lines += ["", f"\\{n}-grams:"]
        lines += [_line(gram, table[gram], model.backoffs.get(gram)) for gram in sorted(table)]
    return "\n".join([*lines, "", "\\end\\", ""])


def _line(gram: Gram, probability: float, backoff: float | None) -> str:
    log = math.log10(probability) if probability > 0 else _NEVER
    words = " ".join(gram)
    return f"{log:.4f}\t{words}" + (f"\t{math.log10(backoff):.4f}" if backoff else "")
