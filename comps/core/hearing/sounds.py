"""Sounds: the classes of phones that an ear tells apart because a mouth shows them, in any language."""

from __future__ import annotations

from functools import lru_cache

from comps.core.language.phones import PhoneFacts, facts

SOUNDS: tuple[str, ...] = (
    "", "m", "f", "w", "ð", "t", "n", "l", "ɹ", "r", "s", "ʃ", "k", "h", "j",
    "i", "e", "ɛ", "a", "ə", "ɑ", "ɔ", "o", "u", "y",
)  # fmt: skip
"""One phone for each class; `m` stands for p, b, m, and ``""`` for silence."""
SOUND_INDEX: dict[str, int] = {sound: index for index, sound in enumerate(SOUNDS)}

_BY_MANNER = {"nasal": "n", "lateral": "l", "trill": "r", "tap": "r", "approximant": "ɹ", "plosive": "t"}


@lru_cache(maxsize=4096)
def sound_of(phone: str) -> int:
    """Index in `SOUNDS` of an IPA phone (of a diphthong, that of its first vowel)."""
    known = facts(phone)
    if known.kind == "pause":
        return 0
    return SOUND_INDEX[_vowel(known) if known.kind == "vowel" else _consonant(known)]


def _vowel(known: PhoneFacts) -> str:
    if known.rounded and known.backness < 0.4:
        return "y"
    if known.rounded:
        return "u" if known.height < 0.25 else "o" if known.height < 0.45 else "ɔ"
    if known.height < 0.25:
        return "i"
    if known.backness < 0.3:
        return "e" if known.height < 0.45 else "ɛ" if known.height < 0.8 else "a"
    return "ɑ" if known.height > 0.9 or (known.height > 0.6 and known.backness > 0.7) else "ə"


def _consonant(known: PhoneFacts) -> str:
    if known.closes_lips:
        return "m"
    match known.place:
        case "bilabial" | "labiovelar":
            return "w"
        case "labiodental":
            return "f"
        case "dental":
            return "ð"
        case "velar" | "uvular":
            return "k" if known.manner in ("plosive", "nasal") else "r" if known.manner == "trill" else "h"
        case "pharyngeal" | "glottal":
            return "h"
        case "palatal":
            return _palatal(known)
    return _tongue_tip(known)


def _palatal(known: PhoneFacts) -> str:
    if known.manner in ("fricative", "affricate"):
        return "ʃ" if not known.voiced or known.manner == "affricate" else "j"
    return {"plosive": "t", "nasal": "n", "lateral": "l"}.get(known.manner, "j")


def _tongue_tip(known: PhoneFacts) -> str:
    """Alveolar, postalveolar and retroflex."""
    if known.manner in ("fricative", "affricate"):
        return "s" if known.place == "alveolar" else "ʃ"
    return _BY_MANNER.get(known.manner, "t")
