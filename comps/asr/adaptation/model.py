"""The files a decoder needs to listen for a knowledge base: made when an engine loads, gone when it closes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from comps.asr.adaptation.corpus import build_corpus, read_folder
from comps.asr.adaptation.ngram import arpa, train
from comps.asr.adaptation.pronunciation import dictionary, extend, read_dictionary


@dataclass(frozen=True, slots=True)
class AdaptedModel:
    """Paths of an ARPA language model and of a dictionary that has all its words and all those of general English.

    `spellings` says how to write words that are not plain lower case (``wav2lip``: ``Wav2Lip``).
    """

    language_model: Path
    dictionary: Path
    spellings: dict[str, str]


def build_model(knowledge: Path, general_dictionary: Path, folder: Path) -> AdaptedModel | None:
    """Write the model of the English Markdown below `knowledge` into `folder`; None when it has no words.

    About half a second for the shipped base of some 2000 questions. Raises OSError when a file cannot be
    read or written.
    """
    corpus = build_corpus(read_folder(knowledge))
    known = read_dictionary(general_dictionary)
    vocabulary = {word for sentence in corpus.sentences for word in sentence.words}
    lexicon = extend(sorted(vocabulary), known, corpus.spellings)
    sentences = [sentence for sentence in corpus.sentences if lexicon.keys() >= set(sentence.words)]
    if not sentences:
        return None
    model = AdaptedModel(folder / "adapted.arpa", folder / "adapted.dict", corpus.spellings)
    model.language_model.write_text(arpa(train(sentences)), encoding="utf-8")
    new = {word: sounds for word, sounds in lexicon.items() if word not in known}
    model.dictionary.write_bytes(general_dictionary.read_bytes().rstrip() + b"\n" + dictionary(new).encode())
    return model
