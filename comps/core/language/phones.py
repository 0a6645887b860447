"""Phones: what the lips, the jaw and the recogniser need to know about an IPA symbol.

A *phone* is an IPA symbol without stress marks, length mark kept (``uː``, ``oʊ``, ``tʃ``, ``p``); a
pause is ``""``. Symbols that are not in the tables get the facts of the nearest one that is, so
every string has an answer.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["vowel", "consonant", "pause"]
Place = Literal[
    "", "bilabial", "labiodental", "dental", "alveolar", "postalveolar", "retroflex", "palatal", "velar",
    "labiovelar", "uvular", "pharyngeal", "glottal",
]  # fmt: skip
Manner = Literal["", "plosive", "affricate", "nasal", "fricative", "approximant", "lateral", "trill", "tap", "click"]


@dataclass(frozen=True, slots=True)
class PhoneFacts:
    """How a phone is made.

    Attributes:
        kind: vowel, consonant or pause.
        height: vowels only, tongue and jaw: 0 is closed (``i``, ``u``), 1 is open (``a``).
        backness: vowels only: 0 is front, 1 is back.
        rounded: lips are rounded (``u``, ``o``, ``y``, ``w``).
        place: consonants only, where the closure or narrowing is.
        manner: consonants only, how complete it is.
        voiced: the vocal folds move.
        long: carries a length mark.
        nasal: nasalised vowel or nasal consonant.
    """

    kind: Kind
    height: float = 0.5
    backness: float = 0.5
    rounded: bool = False
    place: Place = ""
    manner: Manner = ""
    voiced: bool = True
    long: bool = False
    nasal: bool = False

    @property
    def closes_lips(self) -> bool:
        """The lips meet: p, b, m and their kin."""
        return self.place == "bilabial" and self.manner in ("plosive", "nasal", "affricate", "click")

    @property
    def has_closure(self) -> bool:
        """The mouth is shut somewhere before the sound is released: plosives and affricates."""
        return self.manner in ("plosive", "affricate", "click")


PAUSE = PhoneFacts("pause", voiced=False)

# height, backness, then the unrounded and the rounded vowels made there
_VOWEL_ROWS: tuple[tuple[float, float, str, str], ...] = (
    (0.0, 0.0, "i", "y"),
    (0.0, 0.5, "ɨ", "ʉ"),
    (0.0, 1.0, "ɯ", "u"),
    (0.17, 0.15, "ɪ", "ʏ"),
    (0.17, 0.5, "ᵻ", "ᵿ"),
    (0.17, 0.85, "", "ʊ"),
    (0.33, 0.0, "e", "ø"),
    (0.33, 0.5, "ɘ", "ɵ"),
    (0.33, 1.0, "ɤ", "o"),
    (0.5, 0.5, "əɚ", ""),
    (0.67, 0.0, "ɛ", "œ"),
    (0.67, 0.5, "ɜɝ", "ɞ"),
    (0.67, 1.0, "ʌ", "ɔ"),
    (0.83, 0.0, "æ", ""),
    (0.83, 0.5, "ɐ", ""),
    (1.0, 0.1, "a", "ɶ"),
    (1.0, 1.0, "ɑ", "ɒ"),
)

# place, manner, then the voiceless and the voiced consonants made there
_CONSONANT_ROWS: tuple[tuple[Place, Manner, str, str], ...] = (
    ("bilabial", "plosive", "p", "b ɓ"),
    ("bilabial", "nasal", "", "m"),
    ("bilabial", "fricative", "ɸ", "β"),
    ("bilabial", "trill", "", "ʙ"),
    ("bilabial", "click", "ʘ", ""),
    ("labiodental", "affricate", "pf", "bv"),
    ("labiodental", "nasal", "", "ɱ"),
    ("labiodental", "fricative", "f", "v"),
    ("labiodental", "approximant", "", "ʋ ⱱ"),
    ("dental", "fricative", "θ", "ð"),
    ("dental", "click", "ǀ", ""),
    ("alveolar", "plosive", "t", "d ɗ"),
    ("alveolar", "affricate", "ts", "dz"),
    ("alveolar", "nasal", "", "n"),
    ("alveolar", "fricative", "s ɬ", "z ɮ"),
    ("alveolar", "approximant", "", "ɹ"),
    ("alveolar", "lateral", "", "l ɫ"),
    ("alveolar", "trill", "", "r"),
    ("alveolar", "tap", "", "ɾ ɺ"),
    ("postalveolar", "affricate", "tʃ", "dʒ"),
    ("postalveolar", "fricative", "ʃ", "ʒ"),
    ("postalveolar", "click", "ǃ", ""),
    ("retroflex", "plosive", "ʈ", "ɖ"),
    ("retroflex", "affricate", "tʂ ʈʂ", "dʐ ɖʐ"),
    ("retroflex", "nasal", "", "ɳ"),
    ("retroflex", "fricative", "ʂ", "ʐ"),
    ("retroflex", "approximant", "", "ɻ"),
    ("retroflex", "lateral", "", "ɭ"),
    ("retroflex", "tap", "", "ɽ"),
    ("palatal", "plosive", "c", "ɟ ʄ"),
    ("palatal", "affricate", "tɕ cç", "dʑ ɟʝ"),
    ("palatal", "nasal", "", "ɲ"),
    ("palatal", "fricative", "ç ɕ", "ʝ ʑ"),
    ("palatal", "approximant", "", "j"),
    ("palatal", "lateral", "", "ʎ"),
    ("velar", "plosive", "k", "ɡ ɠ"),
    ("velar", "nasal", "", "ŋ"),
    ("velar", "fricative", "x ɧ", "ɣ"),
    ("velar", "approximant", "", "ɰ"),
    ("velar", "lateral", "", "ʟ"),
    ("labiovelar", "plosive", "kp", "ɡb"),
    ("labiovelar", "approximant", "ʍ", "w ɥ"),
    ("uvular", "plosive", "q", "ɢ ʛ"),
    ("uvular", "nasal", "", "ɴ"),
    ("uvular", "fricative", "χ", "ʁ"),
    ("uvular", "trill", "", "ʀ"),
    ("pharyngeal", "fricative", "ħ ʜ", "ʕ ʢ"),
    ("pharyngeal", "plosive", "ʡ", ""),
    ("glottal", "plosive", "ʔ", ""),
    ("glottal", "fricative", "h", "ɦ"),
)


def _vowel_table() -> dict[str, PhoneFacts]:
    table: dict[str, PhoneFacts] = {}
    for height, backness, unrounded, rounded in _VOWEL_ROWS:
        table.update({v: PhoneFacts("vowel", height, backness) for v in unrounded})
        table.update({v: PhoneFacts("vowel", height, backness, rounded=True) for v in rounded})
    return table


def _consonant_table() -> dict[str, PhoneFacts]:
    table: dict[str, PhoneFacts] = {}
    for place, manner, voiceless, voiced in _CONSONANT_ROWS:
        rounded, nasal = place == "labiovelar" and manner == "approximant", manner == "nasal"
        for symbols, voice in ((voiceless, False), (voiced, True)):
            facts_ = PhoneFacts(
                "consonant", rounded=rounded, place=place, manner=manner, voiced=voice, nasal=nasal, height=0.3
            )
            table.update(dict.fromkeys(symbols.split(), facts_))
    return table


VOWELS = _vowel_table()
CONSONANTS = _consonant_table()
_AFFRICATES = tuple(s for s in CONSONANTS if len(s) == 2)
_STRESS_AND_TIES = str.maketrans("", "", "͜͡ˈˌ'ʼ‿|-^")
# Spellings that eSpeak's tables leave in Kirshenbaum's ASCII form or write in their own way.
_SPELLINGS = (
    ("ts.h", "tʂʰ"), ("ts.", "tʂ"), ("s.", "ʂ"), ("z.", "ʐ"), ("i.", "ɨ"), ("n.", "ɳ"), ("l.", "ɭ"), ("r.", "ɽ"),
    ("nɡ", "ŋ"), ("g", "ɡ"), ("ər", "ɚ"), (":", "ː"), ("ʦ", "ts"), ("ʧ", "tʃ"), ("ʤ", "dʒ"), ("ʣ", "dz"), ("ɫ̩", "ɫ"),
)  # fmt: skip

ARPABET_TO_IPA = {
    "AA": "ɑː", "AE": "æ", "AH": "ʌ", "AO": "ɔː", "AW": "aʊ", "AY": "aɪ", "EH": "ɛ", "ER": "ɜː", "EY": "eɪ",
    "IH": "ɪ", "IY": "iː", "OW": "oʊ", "OY": "ɔɪ", "UH": "ʊ", "UW": "uː",
    "B": "b", "CH": "tʃ", "D": "d", "DH": "ð", "F": "f", "G": "ɡ", "HH": "h", "JH": "dʒ", "K": "k", "L": "l",
    "M": "m", "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "V": "v",
    "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
_IPA_TO_ARPABET = {
    **{ipa: (arpabet,) for arpabet, ipa in ARPABET_TO_IPA.items()},
    "ɑ": ("AA",), "ɒ": ("AA",), "a": ("AA",), "ɐ": ("AH",), "ə": ("AH",), "ɔ": ("AO",), "ɚ": ("ER",), "ɝ": ("ER",),
    "ɜ": ("ER",), "i": ("IY",), "ᵻ": ("IH",), "u": ("UW",), "e": ("EH",), "eː": ("EY",), "ɛː": ("EH",), "əʊ": ("OW",),
    "aɪɚ": ("AY", "ER"), "aɪə": ("AY", "AH"), "aʊɚ": ("AW", "ER"), "aʊə": ("AW", "AH"), "ɪə": ("IH", "R"),
    "eə": ("EH", "R"), "ʊə": ("UH", "R"), "iə": ("IY", "AH"), "ɾ": ("T",), "r": ("R",), "ɫ": ("L",), "x": ("K",),
    "ʔ": ("T",), "ts": ("T", "S"), "dz": ("D", "Z"), "ʍ": ("W",), "o": ("OW",), "oː": ("OW",), "ɲ": ("N", "Y"),
    "pf": ("P", "F"), "χ": ("HH",), "ʁ": ("R",), "ʀ": ("R",),
}  # fmt: skip


def _is_mark(char: str) -> bool:
    """Combining marks, length, aspiration and other modifiers that belong to the symbol before them."""
    return char == "ː" or unicodedata.category(char) in ("Mn", "Lm", "Sk")


@lru_cache(maxsize=4096)
def normalise(symbol: str) -> tuple[str, ...]:
    """Phones of one raw symbol as eSpeak or others write it, in order; stress, ties and tones are dropped.

    A vowel keeps its glide (``oʊ`` is one phone) and a stop its release (``tʃ``, ``tʰ``), but a vowel with a
    consonant is two phones: ``"ˈɔːɹ"`` gives ``("ɔː", "ɹ")``. A pause or a tone alone gives ``()``.
    """
    text = unicodedata.normalize("NFD", symbol.translate(_STRESS_AND_TIES)).replace("c\u0327", "ç")
    for old, new in _SPELLINGS:
        text = text.replace(old, new)
    phones: list[str] = []
    for piece in _pieces(text):
        if piece == "h" and phones and facts(phones[-1]).has_closure:
            phones[-1] += "ʰ"
        elif phones and _joins(phones[-1], piece):
            phones[-1] += piece
        else:
            phones.append(piece)
    return tuple(phones)


def _pieces(text: str) -> list[str]:
    """Base symbols with their marks; what is no IPA symbol (digits, brackets) is left out."""
    pieces: list[str] = []
    for char in text:
        if char in VOWELS or char in CONSONANTS:
            pieces.append(char)
        elif _is_mark(char) and pieces:
            pieces[-1] += char
    return pieces


def _joins(before: str, piece: str) -> bool:
    """Whether `piece` is one phone with the symbol before it: a glide of a vowel, a release of a stop."""
    if piece[0] in VOWELS:
        return before[0] in VOWELS
    return before + piece[0] in _AFFRICATES


@lru_cache(maxsize=4096)
def split_diphthong(phone: str) -> tuple[str, ...]:
    """The vowels of a diphthong or triphthong, in order (``aɪ`` gives ``a``, ``ɪ``); others stay whole."""
    pieces = _pieces(phone)
    if len(pieces) > 1 and all(piece[0] in VOWELS for piece in pieces):
        return tuple(pieces)
    return (phone,)


@lru_cache(maxsize=4096)
def facts(phone: str) -> PhoneFacts:
    """Facts of `phone`; of a diphthong, those of its first vowel. ``""`` and unknown signs are a pause."""
    pieces = _pieces(phone)
    if not pieces:
        return PAUSE
    base, long, nasal = phone[:2], "ː" in phone, "̃" in unicodedata.normalize("NFD", phone)
    found = CONSONANTS.get(base) or CONSONANTS.get(pieces[0][0]) or VOWELS[pieces[0][0]]
    if not long and not nasal:
        return found
    return PhoneFacts(
        found.kind, found.height, found.backness, found.rounded, found.place, found.manner, found.voiced,
        long=long, nasal=nasal or found.nasal,
    )  # fmt: skip


def is_vowel(phone: str) -> bool:
    """Whether `phone` is a vowel or a diphthong."""
    return facts(phone).kind == "vowel"


def is_pause(phone: str) -> bool:
    """Whether `phone` is silence."""
    return facts(phone).kind == "pause"


def arpabet_to_ipa(symbol: str) -> str:
    """IPA of an ARPAbet symbol, stress digit allowed (``"AH0"`` gives ``ə``); silence and noise give ``""``."""
    if symbol in ("AH0", "ER0"):
        return {"AH0": "ə", "ER0": "ɚ"}[symbol]
    return ARPABET_TO_IPA.get(symbol.rstrip("012"), "")


@lru_cache(maxsize=4096)
def ipa_to_arpabet(phone: str) -> tuple[str, ...]:
    """Nearest ARPAbet symbols of one phone, without stress digits; a pause gives ``()``.

    Foreign vowels become the nearest English ones by height, place and rounding, foreign consonants
    by place and manner, so any language can be written in CMUdict's alphabet.
    """
    if phone in _IPA_TO_ARPABET:
        return _IPA_TO_ARPABET[phone]
    parts = split_diphthong(phone)
    if len(parts) > 1:
        return tuple(symbol for part in parts for symbol in ipa_to_arpabet(part))
    bare = "".join(char for char in phone if char in VOWELS or char in CONSONANTS)
    if bare in _IPA_TO_ARPABET:
        return _IPA_TO_ARPABET[bare]
    wanted = facts(phone)
    if wanted.kind == "pause":
        return ()
    return (min(_SINGLE, key=lambda arpabet: _distance(wanted, _SINGLE[arpabet])),)


_SINGLE = {arpabet: facts(ipa) for arpabet, ipa in ARPABET_TO_IPA.items() if len(split_diphthong(ipa)) == 1}
_PLACES: tuple[Place, ...] = (
    "bilabial", "labiodental", "dental", "alveolar", "postalveolar", "retroflex", "palatal", "velar",
    "labiovelar", "uvular", "pharyngeal", "glottal",
)  # fmt: skip


def _distance(a: PhoneFacts, b: PhoneFacts) -> float:
    """How far apart two sounds are made; only comparisons between results mean anything."""
    if a.kind != b.kind:
        return 100.0
    if a.kind == "vowel":
        return abs(a.height - b.height) * 2 + abs(a.backness - b.backness) + 0.4 * (a.rounded != b.rounded)
    apart = abs(_PLACES.index(a.place) - _PLACES.index(b.place))
    return apart + 3 * (a.manner != b.manner) + 1.5 * (a.voiced != b.voiced) + 2 * (a.nasal != b.nasal)
