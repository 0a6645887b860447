from __future__ import annotations

from pathlib import Path

import pocketsphinx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.asr.adaptation.corpus import Sentence
from comps.asr.adaptation.general import GeneralEnglish, general_model
from comps.asr.adaptation.interpolation import interpolate
from comps.asr.adaptation.ngram import END, START, arpa, train

_WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=6)
_SENTENCES = st.lists(
    st.builds(Sentence, _WORDS.map(tuple), st.sampled_from([0.05, 0.2, 1.0, 3.0])), min_size=1, max_size=8
)


def _sentences(*lines: str) -> list[Sentence]:
    return [Sentence(tuple(line.split()), 1.0) for line in lines]


_ENGLISH = GeneralEnglish(
    {("a",): 0.3, ("x",): 0.4, ("y",): 0.2, (END,): 0.1}, {(START, "x"): 0.05, ("x", "y"): 0.2, ("a", "x"): 0.1}
)


@given(_SENTENCES, _WORDS)
def test_what_may_follow_any_context_adds_up_to_one(sentences: list[Sentence], context: list[str]) -> None:
    model = train(sentences)
    vocabulary = {gram[0] for gram in model.probabilities[0]}
    total = sum(model.probability((START, *context, word)) for word in vocabulary)
    assert total == pytest.approx(1.0, abs=1e-6)


@given(_SENTENCES, st.lists(st.sampled_from(["a", "b", "x", "y"]), min_size=1, max_size=4), st.floats(0.05, 0.95))
def test_two_models_as_one_add_up_to_one(sentences: list[Sentence], context: list[str], share: float) -> None:
    model = interpolate(train(sentences), general_model(_ENGLISH), share)
    assert sum(model.probability((START, *context, word)) for (word,) in model.probabilities[0]) == pytest.approx(1.0)
    assert model.probability(("x",)) == pytest.approx(0.4 * (1 - share), rel=0.01)


def test_what_the_base_says_stays_likelier_than_what_it_does_not() -> None:
    model = interpolate(train(_sentences("how do i a it", "how do i a this")), general_model(_ENGLISH), 0.5)
    assert model.probability(("do", "i", "a")) > 5 * model.probability(("do", "i", "x")) > 0
    assert model.probability(("b", "x", "y")) > model.probability(("b", "x", "it"))


def test_a_word_expected_anywhere_is_likelier_after_a_context_that_the_base_knows() -> None:
    sentences = _sentences("where do i a", "when do i b")
    bare, hinted = (interpolate(train(sentences, hints), general_model(_ENGLISH), 0.5) for hints in ({}, {"y": 2.0}))
    assert hinted.probability(("do", "i", "y")) > 1.5 * bare.probability(("do", "i", "y"))


def test_with_little_novelty_only_whole_sentences_are_likely() -> None:
    sentences = _sentences("where do i park", "when do you open")
    loose, strict = (train(sentences, novelty=novelty) for novelty in (1.0, 0.02))
    assert strict.probability(("do", "i", "open")) < 0.05 * loose.probability(("do", "i", "open"))
    assert strict.probability(("do", "i", "park")) > 0.9


def test_seen_words_are_likelier_than_unseen_ones() -> None:
    model = train(_sentences("how do i install it", "how do i start it", "what is it"))
    assert model.probability(("do", "i", "install")) > model.probability(("do", "i", "is")) > 0


def test_weights_count() -> None:
    model = train([Sentence(("say", "yes"), 5.0), Sentence(("say", "no"), 0.1)])
    assert model.probability(("say", "yes")) > 3 * model.probability(("say", "no"))


def test_an_unknown_word_has_no_probability() -> None:
    assert train(_sentences("a b")).probability(("a", "zebra")) == 0.0


@pytest.mark.parametrize("least_words", [0, 500])
def test_pocketsphinx_reads_the_file_and_agrees(tmp_path: Path, least_words: int) -> None:
    model = train(_sentences("how do i install it", "how do you install this", "where is it"))
    path = tmp_path / "small.arpa"
    path.write_text(arpa(model, least_words), encoding="utf-8")
    read = pocketsphinx.NGramModel.readfile(str(path))
    log = pocketsphinx.LogMath()
    for words in (("how", "do", "i"), ("do", "you", "install"), ("where", "is", "this"), ("install", "it", END)):
        newest_first = list(reversed(words))
        assert log.exp(read.prob(newest_first)) == pytest.approx(model.probability(words), rel=0.02)
