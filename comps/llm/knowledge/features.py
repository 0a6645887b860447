"""What a text is cut into before it is compared: pieces of words, runs of sounds, and word stems."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from comps.llm.knowledge.frames import FILLERS
from comps.llm.knowledge.synonyms import SYNONYMS
from comps.llm.knowledge.text import has_cjk, tokens

Features = dict[str, float]

_SUFFIX = re.compile(r"(?:ing|ings|ed|es|s|er|ers|ly|ion|ions|e)$")
_VOWEL_SOUNDS = re.compile("[aeiu]")
_SHORTEST_STEM = 3
_FILLER_WEIGHT = 0.25


def letters(text: str) -> Features:
    """Whole words, their 3- and 4-grams with the word's ends marked, and 1- to 3-grams of Chinese characters."""
    found: Features = {}
    for run in _runs(tokens(text)):
        if isinstance(run, str):
            _add(found, (*[f"={SYNONYMS.get(run, run)}"] * 3, *_ngrams(f" {run} ", (3, 4))), _weight(run))
        else:
            _add_characters(found, run, (1, 2, 3))
    return found


def sound_runs(whole: str, rest: str, *, skeleton: bool = True) -> Features:
    """3- and 4-grams of coarse phones, and with `skeleton` of the consonants alone.

    `rest` is the part of `whole` behind a frame such as "how do I"; the frame counts little.
    """
    found: Features = {}
    for sounds, weight in ((whole, _FILLER_WEIGHT), (rest, 1.0 - _FILLER_WEIGHT)):
        _add(found, _ngrams(f"|{sounds}|", (3, 4)), weight)
        if skeleton:
            consonants = _VOWEL_SOUNDS.sub("", sounds)
            _add(found, (f"~{gram}" for gram in _ngrams(f"|{consonants}|", (3, 4))), weight)
    return found


def stems(text: str) -> Features:
    """Words without their endings, and pairs of Chinese characters."""
    found: Features = {}
    for run in _runs(tokens(text)):
        if isinstance(run, str):
            _add(found, (SYNONYMS.get(run) or stem(run),), _weight(run))
        else:
            _add_characters(found, run, (1, 2))
    return found


def _weight(word: str) -> float:
    return _FILLER_WEIGHT if word in FILLERS else 1.0


def _add_characters(features: Features, run: list[str], sizes: tuple[int, ...]) -> None:
    for gram in _ngrams("".join(run), sizes):
        _add(features, (gram,), sum(_weight(char) for char in gram) / len(gram))


def _add(features: Features, keys: Iterable[str], weight: float) -> None:
    for key in keys:
        features[key] = features.get(key, 0.0) + weight


def stem(word: str) -> str:
    """`word` without its usual English ending, as long as three letters stay."""
    bare = _SUFFIX.sub("", word)
    return bare if len(bare) >= _SHORTEST_STEM else word


def _ngrams(text: str, sizes: tuple[int, ...]) -> Iterator[str]:
    return (text[start : start + size] for size in sizes for start in range(len(text) - size + 1))


def _runs(words: list[str]) -> Iterator[str | list[str]]:
    """Words one by one; Chinese characters that follow each other as one list."""
    run: list[str] = []
    for word in words:
        if has_cjk(word):
            run.append(word)
            continue
        if run:
            yield run
            run = []
        yield word
    if run:
        yield run
