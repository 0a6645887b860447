"""Words by their sound: coarse phones in which what a recogniser mistakes is the same.

"avatar" and "a where tar", "Wav2Lip" and "wave to lip" share most of their coarse phones in order,
whatever the words they were cut into.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

from comps.core.language.espeak import phonemize
from comps.core.language.phones import facts

_PLACES = {
    "bilabial": "P", "labiodental": "F", "dental": "F", "labiovelar": "F", "alveolar": "T", "postalveolar": "C",
    "retroflex": "C", "palatal": "Y", "velar": "K", "uvular": "K", "pharyngeal": "H", "glottal": "H",
}  # fmt: skip
_SOUND_ALIKE = {
    "m": "M", "n": "N", "ŋ": "N", "ɲ": "N", "ɹ": "R", "r": "R", "ɾ": "T", "ɚ": "R", "ɝ": "R", "l": "L", "ɫ": "L",
    "s": "S", "z": "S", "ʃ": "C", "ʒ": "C", "tʃ": "C", "dʒ": "C", "θ": "F", "ð": "T", "h": "H", "ʔ": "",
}  # fmt: skip

CHINESE = frozenset({"zh", "yue"})
"""Languages whose syllables are short and many: coarse phones would make them all alike."""

_FINE_LETTERS = 0xF0000  # private use, so that no phone's own letter is met


def sounds(text: str, language: str) -> str:
    """The coarse phones of `text`, one letter each, words run together.

    >>> sounds("avatar", "en"), sounds("a where tar", "en")
    ('aFaTaR', 'aFeRTaR')

    Raises:
        UnknownChoiceError: eSpeak has no voice for `language`.
        EngineUnavailableError: eSpeak cannot be loaded.
    """
    letter = _fine if language in CHINESE else _coarse
    return "".join(letter(phone) for word in phonemize(text, language) for phone in word)


@lru_cache(maxsize=2048)
def _fine(phone: str) -> str:
    """One letter for each phone; only what Chinese speakers and recognisers mix up is the same."""
    plain = phone.replace("ː", "").replace("ʰ", "h").replace("ʂ", "s").replace("ŋ", "n")
    return plain if len(plain) == 1 else chr(_FINE_LETTERS + zlib.crc32(plain.encode()) % 4096)


@lru_cache(maxsize=2048)
def _coarse(phone: str) -> str:
    bare = phone.rstrip("ː")
    if bare in _SOUND_ALIKE:
        return _SOUND_ALIKE[bare]
    told = facts(bare)
    if told.kind == "pause":
        return ""
    if told.kind == "consonant":
        return _PLACES.get(told.place, "T")
    if told.height >= 0.6:
        return "e" if told.backness < 0.1 and told.height < 0.8 else "a"
    if told.backness >= 0.7:
        return "u"
    return "i" if told.height < 0.3 else "e"
