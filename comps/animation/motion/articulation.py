"""Articulation: where the speech organs want to be for each phone, and how much they insist.

Targets are by phonetic feature, so every IPA symbol of every language has one. A *dominance* says how
strongly a phone claims an organ: a bilabial must close the lips but does not care about rounding, so
it takes the rounding of its neighbours (Cohen and Massaro, 1993).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from comps.core.language.phones import PhoneFacts, facts, split_diphthong

Vector = NDArray[np.float32]

ORGANS: tuple[str, ...] = ("jaw", "spread", "round", "upper", "lower", "close", "tuck", "tongue")
"""Jaw opening, lip spreading, rounding with protrusion, upper lip raised, lower lip lowered, lips shut, lower lip
against the upper teeth, tongue tip raised: all 0..1."""
JAW, SPREAD, ROUND, UPPER, LOWER, CLOSE, TUCK, TONGUE = range(len(ORGANS))
OPENING = [JAW, UPPER, LOWER]
"""Organs that open the mouth, by as much as the speech is loud."""
REST = np.zeros(len(ORGANS), np.float32)

_PLACE_TARGETS: dict[str, dict[int, tuple[float, float]]] = {
    "bilabial": {JAW: (0.10, 0.8), UPPER: (0.0, 0.8), LOWER: (0.0, 0.8), SPREAD: (0.1, 0.1), TONGUE: (0, 0.2)},
    "labiodental": {JAW: (0.12, 0.9), UPPER: (0.30, 0.9), LOWER: (0.0, 0.9), SPREAD: (0.15, 0.2), TONGUE: (0, 0.2)},
    "dental": {JAW: (0.20, 0.8), UPPER: (0.18, 0.5), LOWER: (0.25, 0.5), SPREAD: (0.15, 0.2), TONGUE: (1.0, 1.0)},
    "alveolar": {JAW: (0.16, 0.6), UPPER: (0.12, 0.4), LOWER: (0.24, 0.4), SPREAD: (0.25, 0.2), TONGUE: (0.7, 0.9)},
    "postalveolar": {JAW: (0.12, 0.7), UPPER: (0.25, 0.5), LOWER: (0.30, 0.5), ROUND: (0.45, 0.6), TONGUE: (0.3, 0.5)},
    "retroflex": {JAW: (0.15, 0.6), UPPER: (0.15, 0.4), LOWER: (0.2, 0.4), ROUND: (0.30, 0.5), TONGUE: (0.4, 0.5)},
    "palatal": {JAW: (0.14, 0.6), UPPER: (0.12, 0.4), LOWER: (0.2, 0.4), SPREAD: (0.45, 0.5), TONGUE: (0.3, 0.5)},
    "velar": {JAW: (0.22, 0.4), UPPER: (0.1, 0.2), LOWER: (0.15, 0.2), TONGUE: (0.05, 0.4)},
    "labiovelar": {JAW: (0.10, 0.8), UPPER: (0.08, 0.6), LOWER: (0.10, 0.6), ROUND: (1.0, 1.2), TONGUE: (0, 0.2)},
    "uvular": {JAW: (0.28, 0.35), UPPER: (0.1, 0.2), LOWER: (0.15, 0.2), TONGUE: (0, 0.3)},
    "pharyngeal": {JAW: (0.35, 0.3), UPPER: (0.1, 0.2), LOWER: (0.15, 0.2), TONGUE: (0, 0.3)},
    "glottal": {JAW: (0.25, 0.12), UPPER: (0.1, 0.1), LOWER: (0.15, 0.1), TONGUE: (0, 0.1)},
}
"""Place of a consonant to organ: (target, dominance). Organs that are not named follow the neighbours."""
_INDIFFERENT = 0.06
"""Dominance of a phone over an organ it does not use."""
_STRESS = {0: 0.88, 1: 1.12, 2: 1.0}
"""Opening of a vowel by its stress, relative to its usual one."""


@lru_cache(maxsize=4096)
def targets(phone: str, stress: int = 0) -> tuple[Vector, Vector]:
    """Target and dominance of every organ for one phone (not a diphthong), float32 `[8]` each; read only."""
    known = facts(phone)
    goal: Vector
    claim: Vector
    if known.kind == "pause":
        goal, claim = REST.copy(), np.full(len(ORGANS), 0.9, np.float32)
    elif known.kind == "vowel":
        goal, claim = _vowel(known, stress)
    else:
        goal, claim = _consonant(known)
    goal.flags.writeable = claim.flags.writeable = False
    return goal, claim


def _vowel(known: PhoneFacts, stress: int) -> tuple[Vector, Vector]:
    goal = np.zeros(len(ORGANS), np.float32)
    open_ = 0.26 + 0.74 * known.height
    spread = (0.85 - 0.60 * known.height) * (1 - 0.75 * known.backness)
    goal[JAW] = open_ * (0.82 if known.rounded else 1.0) * _STRESS.get(stress, 1.0)
    goal[SPREAD] = 0.0 if known.rounded else spread
    goal[ROUND] = 1.0 - 0.45 * known.height if known.rounded else 0.0
    goal[UPPER] = 0.08 if known.rounded else 0.14 + 0.14 * known.height
    goal[LOWER] = 0.12 if known.rounded else 0.26 + 0.16 * known.height
    claim = np.full(len(ORGANS), 1.0 if stress else 0.85, np.float32)
    claim[TONGUE] = 0.5
    return goal, claim


def _consonant(known: PhoneFacts) -> tuple[Vector, Vector]:
    goal = np.zeros(len(ORGANS), np.float32)
    claim = np.full(len(ORGANS), _INDIFFERENT, np.float32)
    for organ, (target, dominance) in _PLACE_TARGETS.get(known.place, _PLACE_TARGETS["glottal"]).items():
        goal[organ], claim[organ] = target, dominance
    if known.manner in ("fricative", "affricate") and known.place == "alveolar":
        # The teeth of a hiss nearly meet and show.
        goal[[JAW, UPPER, LOWER, TONGUE]] = 0.08, 0.20, 0.34, 0.15
        claim[JAW] = 0.9
    if known.place == "alveolar" and known.manner == "approximant":
        goal[ROUND], claim[ROUND] = 0.40, 0.5
    return goal, claim


def closes(phone: str) -> bool:
    """Whether the lips meet in `phone`."""
    return facts(phone).closes_lips


def tucks(phone: str) -> bool:
    """Whether the lower lip touches the upper teeth in `phone`."""
    return facts(phone).place == "labiodental"


def parts(phone: str) -> tuple[tuple[str, float, float], ...]:
    """A phone as steady pieces (phone, from, to), in shares of its length: a diphthong glides through its vowels."""
    pieces = split_diphthong(phone)
    if len(pieces) == 1:
        return ((phone, 0.0, 1.0),)
    cuts = np.linspace(0.0, 1.0, len(pieces) + 1)
    # The first vowel is the nucleus and takes more of the time.
    cuts[1:-1] += 0.12
    return tuple((piece, float(a), float(b)) for piece, a, b in zip(pieces, cuts[:-1], cuts[1:], strict=True))
