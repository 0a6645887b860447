"""Words by their sound: coarse phones in which what a recogniser mistakes is the same.

"avatar" and "a where tar", "Wav2Lip" and "wave to lip" share most of their coarse phones in order,
whatever the words they were cut into.
"""

from __future__ import annotations

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


def sounds(text: str, language: str) -> str:
    """The coarse phones of `text`, one letter each, words run together.

    >>> sounds("avatar", "en"), sounds("a where tar", "en")
    ('aFaTaR', 'aFeRTaR')

    Raises:
        UnknownChoiceError: eSpeak has no voice for `language`.
        EngineUnavailableError: eSpeak cannot be loaded.
    """
    return "".join(_coarse(phone) for word in phonemize(text, language) for phone in word)


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
