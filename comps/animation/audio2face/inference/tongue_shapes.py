"""The 16 tongue shapes of each sound, by what the tongue does in it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.names import TONGUE_SHAPES
from comps.core.language.phones import PhoneFacts, facts

Vector = NDArray[np.float32]

_BY_PLACE: dict[str, dict[str, float]] = {
    "dental": {"TongueTipUp": 0.35, "TongueStretch": 0.60, "TongueWide": 0.15},
    "alveolar": {"TongueTipUp": 0.75, "TongueUp": 0.15},
    "postalveolar": {"TongueTipUp": 0.35, "TongueUp": 0.35, "TongueWide": 0.20},
    "retroflex": {"TongueTipUp": 0.60, "TongueRollUp": 0.50, "TongueIn": 0.20},
    "palatal": {"TongueTipDown": 0.15, "TongueUp": 0.60, "TongueWide": 0.20},
    "velar": {"TongueUp": 0.70, "TongueIn": 0.35, "TongueTipDown": 0.15},
    "labiovelar": {"TongueUp": 0.45, "TongueIn": 0.40},
    "uvular": {"TongueUp": 0.45, "TongueIn": 0.55},
    "pharyngeal": {"TongueDown": 0.25, "TongueIn": 0.60},
}
"""What the tongue does for a consonant made at a place; the lips and the glottis leave it alone."""
_BY_MANNER: dict[str, dict[str, float]] = {
    "lateral": {"TongueTipUp": 0.85, "TongueNarrow": 0.35, "TongueUp": 0.0},
    "trill": {"TongueTipUp": 0.70, "TongueRollUp": 0.25},
    "approximant": {"TongueTipUp": 0.30, "TongueRollUp": 0.45, "TongueIn": 0.25},
}
"""What the manner changes where the tip of the tongue is at work."""
_HISS = {"TongueTipUp": 0.30, "TongueUp": 0.25, "TongueNarrow": 0.25}


@lru_cache(maxsize=512)
def tongue_shape(phone: str) -> Vector:
    """Weights float32 `[16]` in the order of `names.TONGUE_SHAPES` for one phone; read only."""
    known = facts(phone)
    shown = _vowel(known) if known.kind == "vowel" else _consonant(known)
    weights = np.array([shown.get(name, 0.0) for name in TONGUE_SHAPES], np.float32)
    weights.flags.writeable = False
    return weights


def _consonant(known: PhoneFacts) -> dict[str, float]:
    shown = dict(_BY_PLACE.get(known.place, {}))
    if known.place == "alveolar":
        shown |= _HISS if known.manner in ("fricative", "affricate") else _BY_MANNER.get(known.manner, {})
    return shown


def _vowel(known: PhoneFacts) -> dict[str, float]:
    """The tongue is low in open vowels, forward and high in front ones, drawn back in back ones."""
    closed = 1 - known.height
    return {
        "TongueDown": 0.65 * known.height,
        "TongueUp": 0.40 * closed,
        "TongueTipDown": 0.25 * (1 - known.backness),
        "TongueStretch": 0.25 * max(0.0, 0.6 - known.backness) * closed,
        "TongueIn": 0.45 * max(0.0, known.backness - 0.4),
        "TongueWide": 0.25 * closed * (1 - known.backness),
    }
