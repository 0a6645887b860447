"""The files a decoder needs to listen for a knowledge base: made when an engine loads, gone when it closes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from comps.asr.adaptation.corpus import Sentence, build_corpus, read_folder
from comps.asr.adaptation.general import general_english
from comps.asr.adaptation.ngram import arpa, train
from comps.asr.adaptation.pronunciation import Dictionary, dictionary, extend

GENERAL_SHARE, LARGE_BASE = 0.3, 4000
"""Share of general English in the model of the smallest base, and the words from which a base has enough of its own.

Without it a small base hears its own words in everything; a large one is heard better without.
"""
BIAS, GENERAL_BIAS = 2.5, -1.0
"""Bias of a model without general English, and what the full share of it adds."""


@dataclass(frozen=True, slots=True)
class AdaptedModel:
    """Paths of an ARPA language model and of a dictionary that has all its words and all those of general English.

    `spellings` says how to write words that are not plain lower case (``wav2lip``: ``Wav2Lip``). `bias` is the log
    score per frame by which the model must be better than general English to be believed.
    """

    language_model: Path
    dictionary: Path
    spellings: dict[str, str]
    bias: float


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
    part = _general_part(sentences)
    bias = BIAS + GENERAL_BIAS * part
    model = AdaptedModel(folder / "adapted.arpa", folder / "adapted.dict", corpus.spellings, bias)
    general = general_english().within(known) if part else None
    model.language_model.write_text(arpa(train(sentences, general, GENERAL_SHARE * part)), encoding="utf-8")
    new = {word: sounds for word, sounds in lexicon.items() if word not in known}
    model.dictionary.write_bytes(general_dictionary.read_bytes().rstrip() + b"\n" + dictionary(new).encode())
    return model


def _general_part(sentences: list[Sentence]) -> float:
    """How much of `GENERAL_SHARE` the base needs, 0 to 1."""
    said = sum(sentence.weight * (len(sentence.words) + 1) for sentence in sentences)
    return max(0.0, 1.0 - said / LARGE_BASE)
