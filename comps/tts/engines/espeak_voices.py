"""Names of voices: eSpeak NG's own, OpenAI's, and plain words, resolved to a voice file and a variant.

A name is ``base``, ``base+variant`` or ``+variant``. The base is an identifier (``gmw/en-US``), a
language (``en-us``, ``zh``; a region without a voice of its own, as in ``de-AT``, has its language's),
eSpeak's name of a voice, or left out for the language of the text; the variant (``f5``, ``klatt``) changes its sound. One word can stand for both: `CHARACTERS`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from comps.core.errors import UnknownChoiceError, UnprocessableError
from comps.core.language.closest import choices, closest
from comps.core.language.espeak import EspeakVoice, variants, voice_for_language, voices
from comps.tts.engine import Voice

FEMALE, MALE = "f5", "edward"
"""Of the women's and the men's variants, those that a recogniser understands best.

PocketSphinx errs on about a third of the words of ten sentences, against 86 % for eSpeak without a
variant (``benchmarks/tts_voices.py``).
"""

# OpenAI's voices by the nearest variant in sex and height.
CHARACTERS = {
    "default": FEMALE,
    "female": FEMALE,
    "male": MALE,
    "alloy": FEMALE,
    "ash": "benjamin",
    "ballad": "m6",
    "cedar": "klatt3",
    "coral": "f2",
    "echo": MALE,
    "fable": "adam",
    "marin": "f2",
    "nova": FEMALE,
    "onyx": "m2",
    "sage": "f2",
    "shimmer": "f4",
    "verse": "caleb",
}
ANY_LANGUAGE = "mul"
"""BCP 47's tag for several languages."""

_LANGUAGE_AND_REGION = re.compile(r"[a-z]+([-_][a-z]{4})?([-_]([a-z]{2}|[0-9]{3}))?", re.IGNORECASE)
"""A word, or a BCP 47 tag of no more than language, script and region."""


@dataclass(frozen=True, slots=True)
class VoiceChoice:
    """A voice file, ``""`` for the one of the text's language, and a variant, ``""`` for none."""

    voice: EspeakVoice | None
    variant: str

    def file(self, language: str) -> str:
        """eSpeak's name of the voice for text in `language`, as ``gmw/en-US+f5``."""
        speaks = self.voice is not None and _base(language) in {_base(tag) for tag in self.voice.languages}
        voice = self.voice if speaks and self.voice is not None else voice_for_language(language)
        return f"{voice.identifier}+{self.variant}" if self.variant else voice.identifier


def choose_voice(name: str, language: str) -> VoiceChoice:
    """The voice called `name`, any case, for a request in `language` (``""`` when it names none).

    Raises:
        UnknownChoiceError: there is no such voice; the message has the closest names.
        UnprocessableError: the voice does not speak the language.
    """
    wanted = name.strip() or "default"
    if wanted.lower() in CHARACTERS:
        return VoiceChoice(None, CHARACTERS[wanted.lower()])
    base, _, variant = wanted.partition("+")
    found = _variant(variant, name) if variant else ""
    if base.lower() in CHARACTERS:
        return VoiceChoice(None, found or CHARACTERS[base.lower()])
    if not base and found:
        return VoiceChoice(None, found)
    if not variant and (alone := _find(base, variants())):
        return VoiceChoice(None, alone)
    voice = _voice(base, name)
    if language and _base(language) not in {_base(tag) for tag in voice.languages}:
        raise UnprocessableError(
            f"voice '{name[:60]}' speaks {voice.name}, not '{language}'; choose another or 'default'", param="voice"
        )
    return VoiceChoice(voice, found or CHARACTERS["default"])


def voice_list() -> tuple[Voice, ...]:
    """Every name `choose_voice` takes, but for the combinations of a base and a variant."""
    kinds = variants()
    words = [
        Voice(name, f"{name} (variant {variant})", (ANY_LANGUAGE,), kinds[variant])
        for name, variant in CHARACTERS.items()
    ]
    bases = [Voice(v.identifier, v.name, v.languages) for v in voices()]
    sounds = [Voice(f"+{v}", f"variant {v} of any voice", (ANY_LANGUAGE,), kinds[v]) for v in sorted(kinds)]
    return (*words, *bases, *sounds)


def _variant(variant: str, name: str) -> str:
    if found := _find(variant, variants()):
        return found
    raise _unknown(name, [f"+{v}" for v in closest(variant, variants())])


def _voice(base: str, name: str) -> EspeakVoice:
    wanted = base.lower()
    for voice in voices():
        if wanted in (voice.identifier.lower(), voice.name.lower()):
            return voice
    # any other tag asks for what no voice has, and would be spoken by one that has none of it
    if _LANGUAGE_AND_REGION.fullmatch(base) or any(wanted in voice.languages for voice in voices()):
        with suppress(UnknownChoiceError):
            return voice_for_language(base)
    known = (*CHARACTERS, *(name for v in voices() for name in (v.languages[0], v.name)), *variants())
    raise _unknown(name, closest(name, known))


def _find(wanted: str, names: dict[str, str]) -> str:
    return next((name for name in names if name.lower() == wanted.lower()), "")


def _unknown(name: str, close: list[str]) -> UnknownChoiceError:
    return UnknownChoiceError(f"no voice is called '{name[:60]}'; {choices(close, 'GET /v1/voices')}", param="voice")


def _base(tag: str) -> str:
    """Language without region, Mandarin's two names as one."""
    first = tag.lower().replace("_", "-").partition("-")[0]
    return "zh" if first == "cmn" else first
