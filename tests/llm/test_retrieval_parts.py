"""Text, features, sounds and the index: the parts that the retriever is made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comps.llm.knowledge.features import Features, letters, sound_runs, stem, stems
from comps.llm.knowledge.index import NgramIndex
from comps.llm.knowledge.phonetics import sounds
from comps.llm.knowledge.text import count_tokens, first_tokens, has_cjk, tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What's THAT?", ["what", "is", "that"]),
        ("I can't, don’t and won't", ["i", "can", "not", "do", "not", "and", "will", "not"]),
        ("Wav2Lip v1.2", ["wav", "2", "lip", "v", "1", "2"]),
        ("Café naïve", ["cafe", "naive"]),
        ("怎么start呢？", ["怎", "么", "start", "呢"]),
        ("ＡＢＣ", ["abc"]),
        ("the user's photo", ["the", "user", "photo"]),
        ("", []),
        ("?!...", []),
    ],
)
def test_tokens(text: str, words: list[str]) -> None:
    assert tokens(text) == words


@given(st.text(max_size=200))
@example("\u13a0")  # the capital is what Cherokee letters are folded to
def test_any_text_has_tokens_and_features(text: str) -> None:
    assert all(token == token.casefold() for token in tokens(text))
    assert all(weight > 0 for bag in (letters(text), stems(text)) for weight in bag.values())


@given(st.text(max_size=80), st.integers(1, 30))
def test_the_first_tokens_are_the_beginning_of_the_text(text: str, count: int) -> None:
    cut = first_tokens(text, count)
    assert text.startswith(cut)
    assert count_tokens(cut) == min(count, count_tokens(text))


def test_scripts() -> None:
    assert has_cjk("用 Docker")
    assert not has_cjk("Öl")


def test_fillers_count_less_than_words_of_content() -> None:
    bag = stems("the ports")
    assert bag["*port"] > bag["the"]
    assert letters("的端")["端"] > letters("的端")["的"]


@pytest.mark.parametrize(
    ("word", "bare"), [("installing", "install"), ("ports", "port"), ("used", "used"), ("es", "es")]
)
def test_stems(word: str, bare: str) -> None:
    assert stem(word) == bare


def test_synonyms_share_a_stem() -> None:
    assert set(stems("select")) == set(stems("choose"))


@pytest.mark.parametrize(
    ("one", "other"),
    [("avatar chatbot", "a where tar chat bought"), ("Wav2Lip", "wave to lip"), ("SadTalker", "said talker")],
)
def test_what_sounds_alike_is_alike(one: str, other: str) -> None:
    def bag(text: str) -> Features:
        return sound_runs(sounds(text, "en"), sounds(text, "en"))

    index = NgramIndex([one, "how much does it cost"], (), bag)
    right, wrong = index.scores(other)
    assert right > 0.4
    assert wrong < 0.1


def test_chinese_sounds_keep_their_vowels_apart() -> None:
    assert sounds("启动", "zh") == sounds("起动", "zh")
    assert sounds("启动", "zh") != sounds("气垫", "zh")


def test_an_index_scores_by_cosine() -> None:
    index = NgramIndex(["how do i start", "how do i stop", "which ports"], ["how do i"], letters)
    scores = index.scores("how do i start")
    assert scores.dtype == np.float32
    assert scores[0] == pytest.approx(1.0)
    assert scores[0] > scores[1] > scores[2]
    assert not index.scores("").any()
    assert not index.scores("zzz").any()


def test_unknown_words_lower_the_score() -> None:
    index = NgramIndex(["start it"], (), letters)
    assert index.scores("start")[0] > index.scores("start quantum chromodynamics")[0]


def test_coverage_is_the_share_of_the_question_that_is_explained() -> None:
    index = NgramIndex(["ports gateway page", "voices speed"], (), stems)
    ports, voices = index.coverage("gateway ports")
    assert ports > 0.6
    assert voices == 0
    assert index.coverage("gateway bitcoin")[0] < ports
    assert not index.coverage("").any()
    assert index.unseen("gateway bitcoin the", 1.0) == 1


@given(st.lists(st.text(max_size=30), max_size=8), st.text(max_size=30))
def test_scores_are_between_nothing_and_one(documents: list[str], question: str) -> None:
    for scores in (
        NgramIndex(documents, (), letters).scores(question),
        NgramIndex(documents, (), stems).coverage(question),
    ):
        assert scores.shape == (len(documents),)
        assert ((scores >= 0) & (scores <= 1.0001)).all()
