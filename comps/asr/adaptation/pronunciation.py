"""How words sound, in the alphabet of CMUdict: from the dictionary, else by eSpeak, by parts and by letters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, product
from pathlib import Path

from comps.asr.adaptation.spoken import number_words
from comps.core.language.espeak import phonemize
from comps.core.language.phones import ipa_to_arpabet

Sounds = tuple[str, ...]
Lexicon = Mapping[str, tuple[Sounds, ...]]

MAX_SOUNDS = 6
"""Most pronunciations a new word gets: each one costs time and invites mistakes."""
_LONGEST_ABBREVIATION = 6
_PART = re.compile(r"\d+|[A-Z]+(?![a-z])|[A-Z]?[a-z']+|[^\W\d_]+")
_VARIANT = re.compile(r"\(\d+\)$")


class Dictionary(Mapping[str, tuple[Sounds, ...]]):
    """A dictionary file in CMU's format: word or ``word(2)``, then its phones.

    Entries stay text until they are asked for: 130 000 tuples of phones would take 70 MB.
    """

    def __init__(self, path: Path) -> None:
        self._entries: dict[str, str] = {}
        with path.open(encoding="utf-8") as file:
            for line in file:
                word, _, phones = line.strip().partition(" ")
                if word.endswith(")"):
                    word = _VARIANT.sub("", word)
                before = self._entries.get(word)
                self._entries[word] = f"{before}|{phones}" if before else phones

    def __getitem__(self, word: str) -> tuple[Sounds, ...]:
        return tuple(tuple(phones.split()) for phones in self._entries[word].split("|"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, word: object) -> bool:
        return word in self._entries


def extend(words: Iterable[str], known: Lexicon, spellings: Mapping[str, str]) -> dict[str, tuple[Sounds, ...]]:
    """Pronunciations of all `words` (lower case); those of no known sound are left out.

    Args:
        words: the vocabulary.
        known: the dictionary to take them from.
        spellings: how words are written when not in plain lower case: capitals and digits show their parts.
    """
    lexicon = {word: known.get(word) or sounds(spellings.get(word, word), known) for word in dict.fromkeys(words)}
    return {word: variants for word, variants in lexicon.items() if variants}


def sounds(written: str, known: Lexicon) -> tuple[Sounds, ...]:
    """Ways to say a word that is in no dictionary: part by part, as a whole by eSpeak, letter by letter."""
    candidates = (*_by_parts(written, known), by_espeak(written), *_spelled(written, known))
    return tuple(islice(dict.fromkeys(filter(None, candidates)), MAX_SOUNDS))


def by_espeak(text: str) -> Sounds:
    """What eSpeak would say, in ARPAbet; empty when that is nothing."""
    return tuple(symbol for word in phonemize(text, "en-us") for phone in word for symbol in ipa_to_arpabet(phone))


def _by_parts(written: str, known: Lexicon) -> Iterator[Sounds]:
    """``Wav2Lip`` as wav, two, lip: all ways to say the parts, combined."""
    parts = [_part(part, known) for part in _PART.findall(written)]
    if len(parts) > 1 and all(parts):
        yield from (tuple(phone for part in way for phone in part) for way in product(*parts))


def _part(part: str, known: Lexicon) -> tuple[Sounds, ...]:
    if part.isdigit():
        return (tuple(phone for word in number_words(part) for phone in _first(word, known)),)
    if part.lower() in known:
        return known[part.lower()][:2]
    if part.isupper() and len(part) <= _LONGEST_ABBREVIATION:
        return tuple(dict.fromkeys(filter(None, (*_spelled(part, known), by_espeak(part)))))
    return (by_espeak(part),)


def _first(word: str, known: Lexicon) -> Sounds:
    return known[word][0] if word in known else by_espeak(word)


def _spelled(written: str, known: Lexicon) -> Iterator[Sounds]:
    """Letter names, for what looks like an abbreviation."""
    bare = written.rstrip("s") if written[:1].isupper() else written
    short = len(written) <= _LONGEST_ABBREVIATION
    if short and (bare.isupper() or not re.search("[aeiouy]", written)) and bare.isalnum():
        ending: Sounds = ("Z",) if written != bare else ()
        letters = (number_words(char) if char.isdigit() else [f"{char.lower()}."] for char in bare)
        named = (_letter(name, known) for names in letters for name in names)
        yield (*(phone for name in named for phone in name), *ending)


def _letter(name: str, known: Lexicon) -> Sounds:
    """CMUdict lists letter names with a dot (``a.``); words without one are numbers."""
    return _first(name, known) if name in known or not name.endswith(".") else by_espeak(name[0].upper())


def dictionary(lexicon: Lexicon) -> str:
    """The lexicon as a dictionary file."""
    lines = [
        f"{word}{f'({n})' if n > 1 else ''} {' '.join(phones)}"
        for word, variants in sorted(lexicon.items())
        for n, phones in enumerate(variants, start=1)
    ]
    return "\n".join([*lines, ""])
