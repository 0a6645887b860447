"""eSpeak NG for every stage: text to phones, its voices, and speech with exact times.

Nothing here needs a service: ASR extends its dictionary with `phonemize`, the LLM compares words
by it, TTS speaks with `synthesise`. All of it blocks (about 40 µs a word, 1 ms a second of speech)
and may be called from any thread.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from comps.core.errors import UnknownChoiceError
from comps.core.language.closest import choices, closest
from comps.core.language.espeak_library import OnBlock, RawSettings, shared_library
from comps.core.language.phones import normalise

# A language switch inside a text, written "(en)".
_SWITCH = re.compile(r"\([a-z][a-z0-9-]*\)")
_NO_LANGUAGE = "-test"
# eSpeak's own "en" is British and knows no "zh-cn"; CMUdict, which ASR listens with, is American.
_LANGUAGE_ALIASES = {
    "en": "en-us", "zh": "cmn", "zh-cn": "cmn", "zh-tw": "cmn", "zh-sg": "cmn", "zh-hans": "cmn", "zh-hant": "cmn",
    "zh-hk": "yue", "zh-mo": "yue", "no": "nb", "iw": "he", "in": "id", "fil": "id", "tl": "id",
    "english": "en-us", "chinese": "cmn", "mandarin": "cmn", "german": "de", "french": "fr", "spanish": "es",
    "italian": "it", "japanese": "ja", "hindi": "hi", "korean": "ko", "portuguese": "pt", "russian": "ru",
    "arabic": "ar",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class EspeakVoice:
    """A voice file: `identifier` as ``gmw/en-US``, `languages` best first, lower case."""

    identifier: str
    name: str
    languages: tuple[str, ...]


@lru_cache(maxsize=1)
def voices() -> tuple[EspeakVoice, ...]:
    """Every voice of the library, by language tag; those with which its makers try out languages are left out."""
    found = (
        EspeakVoice(v.identifier, v.name.strip(), tuple(tag.lower() for tag, _ in v.languages))
        for v in shared_library().voices()
        if not v.name.strip().endswith(_NO_LANGUAGE)
    )
    return tuple(sorted(found, key=lambda v: v.languages[0]))


@lru_cache(maxsize=1)
def variants() -> dict[str, str]:
    """Variants by file name (``f3``, ``klatt``): ``male`` or ``female``. Any voice takes any variant."""
    listed = shared_library().variants()
    return {v.identifier.removeprefix("!v/"): "female" if v.gender == 2 else "male" for v in listed}


@lru_cache(maxsize=1)
def _by_language() -> dict[str, EspeakVoice]:
    """Best voice of every language tag, then of every first part of a tag that has no voice of its own."""
    best: dict[str, tuple[int, EspeakVoice]] = {}
    known = {v.identifier: v for v in voices()}
    for raw in shared_library().voices():
        if raw.identifier not in known:
            continue
        for tag, priority in raw.languages:
            for key, cost in ((tag.lower(), priority), (tag.lower().split("-")[0], priority + 100)):
                if key not in best or cost < best[key][0]:
                    best[key] = (cost, known[raw.identifier])
    return {tag: voice for tag, (_, voice) in best.items()}


@lru_cache(maxsize=512)
def voice_for_language(language: str) -> EspeakVoice:
    """The voice of a BCP 47 tag or an English name of a language, any case: ``en``, ``zh-CN``, ``German``.

    A region that has no voice of its own falls back to its language. Raises UnknownChoiceError.
    """
    tag = language.strip().lower().replace("_", "-")
    table = _by_language()
    for candidate in _fallbacks(tag):
        if candidate in table:
            return table[candidate]
    labels = {name: f"{v.languages[0]} ({v.name})" for v in voices() for name in (v.languages[0], v.name)}
    close = dict.fromkeys(labels[name] for name in closest(tag, labels))
    raise UnknownChoiceError(f"no voice speaks '{language[:40]}'; {choices(close, 'GET /v1/voices')}", param="language")


def _fallbacks(tag: str) -> list[str]:
    parts = tag.split("-")
    shorter = ["-".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return [name for part in shorter for name in (_LANGUAGE_ALIASES.get(part, part), part)]


def phonemize(text: str, language: str) -> list[list[str]]:
    """The words of `text` as they are spoken, each a list of IPA phones without stress marks.

    Numbers become several words, so the count may differ from that of the written words.

    >>> phonemize("Hello world", "en")
    [['h', 'ə', 'l', 'oʊ'], ['w', 'ɜː', 'l', 'd']]

    Raises:
        UnknownChoiceError: no voice speaks `language`.
        EngineUnavailableError: the library cannot be loaded.
    """
    clauses = shared_library().phonemes(text, voice_for_language(language).identifier)
    spoken = (_phones(word) for clause in clauses for word in clause.split())
    return [word for word in spoken if word]


def _phones(word: str) -> list[str]:
    symbols = _SWITCH.sub("", word).split("_")
    # In tone languages a digit 3 is written as the letter ɜ at the end of a vowel; it is no vowel.
    return [phone for symbol in symbols for phone in normalise(_without_tone(symbol))]


def _without_tone(symbol: str) -> str:
    bare = symbol.strip("0123456789")
    return bare[:-1] if len(bare) > 1 and bare.endswith("ɜ") else bare


def synthesise(text: str, settings: RawSettings, on_block: OnBlock) -> None:
    """Speak `text`; `on_block(pcm, events)` gets every piece on this thread and returns False to stop.

    Speech is int16 at `sample_rate()`. Other callers wait meanwhile, so give one sentence at a time.
    """
    shared_library().synthesise(text, settings, on_block)


def sample_rate() -> int:
    """Hz of everything `synthesise` makes."""
    return shared_library().sample_rate
