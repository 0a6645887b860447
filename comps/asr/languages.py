"""Languages as clients name them: BCP 47 tags or English names, any case."""

from __future__ import annotations

import re

from comps.core.errors import UnknownChoiceError

NAMES = {
    "arabic": "ar", "bulgarian": "bg", "catalan": "ca", "cantonese": "yue", "chinese": "zh", "croatian": "hr",
    "czech": "cs", "danish": "da", "dutch": "nl", "english": "en", "estonian": "et", "finnish": "fi", "french": "fr",
    "german": "de", "greek": "el", "hebrew": "he", "hindi": "hi", "hungarian": "hu", "indonesian": "id",
    "italian": "it", "japanese": "ja", "korean": "ko", "latvian": "lv", "lithuanian": "lt", "malay": "ms",
    "mandarin": "zh", "norwegian": "no", "persian": "fa", "polish": "pl", "portuguese": "pt", "romanian": "ro",
    "russian": "ru", "serbian": "sr", "slovak": "sk", "slovenian": "sl", "spanish": "es", "swedish": "sv",
    "tagalog": "tl", "tamil": "ta", "thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur",
    "vietnamese": "vi", "welsh": "cy",
}  # fmt: skip
_TAG = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*")
_DETECT = ("", "auto", "none", "null", "detect")


def language_tag(name: str) -> str:
    """The BCP 47 tag of a tag or an English name; ``""`` for ``auto``. Raises UnknownChoiceError.

    >>> language_tag("English"), language_tag("zh_CN"), language_tag("auto")
    ('en', 'zh-cn', '')
    """
    plain = name.strip().lower().replace("_", "-")
    if plain in _DETECT:
        return ""
    if plain in NAMES:
        return NAMES[plain]
    if _TAG.fullmatch(plain):
        return plain
    raise UnknownChoiceError(
        f"'{name[:40]}' is no language; give a tag such as en, or one of: {', '.join(sorted(NAMES))}", param="language"
    )


def primary(tag: str) -> str:
    """The language without its region: ``en-GB`` gives ``en``."""
    return tag.lower().partition("-")[0]


def english_only(tag: str) -> None:
    """Raise UnknownChoiceError, which says who hears it, when `tag` is neither English nor ``""``."""
    if tag and primary(tag) != "en":
        raise UnknownChoiceError(
            f"engine 'pocketsphinx' hears en, not '{tag[:40]}'; for other languages choose engine 'whisper' "
            "(pip install 'avatarchatbot[whisper]'), 'faster_whisper' (pip install 'avatarchatbot[faster-whisper]') "
            "or 'openai' with the URL of a server",
            param="language",
        )
