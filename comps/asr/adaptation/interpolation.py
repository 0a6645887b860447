"""Two n-gram models as one: at every place, a share of the one's probability and the rest of the other's."""

from __future__ import annotations

from comps.asr.adaptation.ngram import ORDER, Gram, NgramModel

_LEAST = 1e-6
"""Weight kept for what neither model has seen after a context."""


def interpolate(one: NgramModel, other: NgramModel, share: float) -> NgramModel:
    """``share * one + (1 - share) * other`` for every n-gram that either lists; what neither lists backs off.

    Unlike counting both together, a context that the larger model knows well does not drown what the
    smaller one expects there.
    """
    probabilities: list[dict[Gram, float]] = []
    backoffs: dict[Gram, float] = {}
    for order in range(ORDER):
        grams = {**one.probabilities[order], **other.probabilities[order]}
        table = {gram: share * one.probability(gram) + (1 - share) * other.probability(gram) for gram in grams}
        if order:
            backoffs.update(_backoffs(table, NgramModel(tuple(probabilities), backoffs)))
        probabilities.append(table)
    return NgramModel(tuple(probabilities), backoffs)


def _backoffs(table: dict[Gram, float], shorter: NgramModel) -> dict[Gram, float]:
    """What makes each context add up to one: the mass left over, in parts of what the shorter model gives it."""
    listed: dict[Gram, float] = {}
    below: dict[Gram, float] = {}
    for gram, probability in table.items():
        context = gram[:-1]
        listed[context] = listed.get(context, 0.0) + probability
        below[context] = below.get(context, 0.0) + shorter.probability(gram[1:])
    return {context: max(_LEAST, 1.0 - mass) / max(_LEAST, 1.0 - below[context]) for context, mass in listed.items()}
