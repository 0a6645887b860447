"""The files a decoder needs to listen for a knowledge base: made when an engine loads, gone when it closes."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from comps.asr.adaptation.corpus import QUESTION_WEIGHT, Sentence, build_corpus, read_folder
from comps.asr.adaptation.general import general_english, general_model
from comps.asr.adaptation.interpolation import interpolate
from comps.asr.adaptation.ngram import NgramModel, arpa, train
from comps.asr.adaptation.pronunciation import Dictionary, dictionary, extend
from comps.asr.adaptation.related import related_words

GENERAL_SHARE, LARGE_BASE = 0.5, 4000
"""Share of general English in the model of the smallest base, and the words from which a base has enough of its own.

Without it a small base hears its own words in everything; a large one is heard better without.
"""
HINT = 0.5
"""How often a word that is related to the smallest base counts as said in it."""
BIAS, GENERAL_BIAS = 2.5, -1.0
"""Bias of a model without general English, and what the full share of it adds."""
WHOLE_NOVELTY = 0.02
"""Weight of anything but whole questions in the model of these; 0 would leave the decoder without a path."""

LEAST_WORDS = 20_000
"""Words in every language model. PocketSphinx enters its whole dictionary, 134 000 words, into a table with one place for
each word of the model: with the few of a small base that takes ten seconds of the processor, with these half a second."""

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WholeQuestions:
    """An ARPA language model of nothing but whole questions, and these, words as in the dictionary."""

    language_model: Path
    questions: frozenset[Words]


@dataclass(frozen=True, slots=True)
class AdaptedModel:
    """Paths of an ARPA language model and of a dictionary that has all its words and all those of general English.

    `spellings` says how to write words that are not plain lower case (``wav2lip``: ``Wav2Lip``). `bias` is the log
    score per frame by which the model must be better than general English to be believed. `whole` is what a base
    has that is small enough for a search of its own: its headings and questions, word for word.
    """

    language_model: Path
    dictionary: Path
    spellings: dict[str, str]
    bias: float
    whole: WholeQuestions | None


def build_model(knowledge: Path, general_dictionary: Path, folder: Path) -> AdaptedModel | None:
    """Write the model of the English Markdown below `knowledge` into `folder`; None when it has no words.

    About a second for the shipped base of some 2000 questions. Raises OSError when a file cannot be
    read or written.
    """
    corpus = build_corpus(read_folder(knowledge))
    known = Dictionary(general_dictionary)
    vocabulary = {word for sentence in corpus.sentences for word in sentence.words}
    lexicon = extend(sorted(vocabulary), known, corpus.spellings)
    sentences = [sentence for sentence in corpus.sentences if lexicon.keys() >= set(sentence.words)]
    if not sentences:
        return None
    new = {word: sounds for word, sounds in lexicon.items() if word not in known}
    path = folder / "adapted.dict"
    path.write_bytes(general_dictionary.read_bytes().rstrip() + b"\n" + dictionary(new).encode())
    part = _general_part(sentences)
    adapted = _with_general(sentences, known, new, part) if part else train(sentences)
    return AdaptedModel(
        _written(adapted, folder / "adapted.arpa"),
        path,
        corpus.spellings,
        BIAS + GENERAL_BIAS * part,
        _whole_questions(sentences, folder / "questions.arpa") if part else None,
    )


def _general_part(sentences: list[Sentence]) -> float:
    """How much of `GENERAL_SHARE` the base needs, 0 to 1."""
    said = sum(sentence.weight * (len(sentence.words) + 1) for sentence in sentences)
    return max(0.0, 1.0 - said / LARGE_BASE)


def _with_general(sentences: list[Sentence], known: Dictionary, new: Container[str], part: float) -> NgramModel:
    """The sentences, the words in which others may ask for them, and general English."""
    english = general_english().within(known)
    related = related_words(sentences, english)
    hints = {word: HINT * part * near for word, near in related.items() if word in known or word in new}
    return interpolate(train(sentences, hints), general_model(english), 1 - GENERAL_SHARE * part)


def _whole_questions(sentences: list[Sentence], path: Path) -> WholeQuestions | None:
    asked = [sentence for sentence in sentences if sentence.weight >= QUESTION_WEIGHT]
    if not asked:
        return None
    model = train(asked, novelty=WHOLE_NOVELTY)
    return WholeQuestions(_written(model, path), frozenset(sentence.words for sentence in asked))


def _written(model: NgramModel, path: Path) -> Path:
    path.write_text(arpa(model, LEAST_WORDS), encoding="utf-8")
    return path
