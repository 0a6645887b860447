"""Topics found by their words: families, how much a word tells, and the share of a question that a topic explains."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from comps.core.language.families import family
from comps.llm.knowledge.keywords import KeywordIndex
from comps.llm.knowledge.topic import Topic
from comps.llm.knowledge.words import telling

PARKING = Topic("parking", "parking", "en", ("How do I park?",), ("Behind the house.",))
LEAVE = Topic("leave", "Annual leave", "en", (), ("You have thirty days of holiday each year.",))


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=20))
def test_every_word_has_a_family_and_says_something_between_nothing_and_all(word: str) -> None:
    assert family(word)
    assert 0 <= telling(word) <= 1


def test_rare_words_tell_more_than_common_ones() -> None:
    assert telling("the") < telling("work") < telling("parking") < telling("toothache")
    assert telling("zorblax") == 1.0


def test_words_of_usual_phrases_tell_little() -> None:
    assert telling("long") < 0.1
    assert telling("old") < 0.1


def test_what_a_topic_does_not_explain_lowers_its_share() -> None:
    index = KeywordIndex([PARKING, LEAVE])
    alone, with_a_stranger = index.scores("where can I park"), index.scores("where can I park my dinosaur")
    assert alone.dtype == np.float32
    assert alone[0] > 0.7
    assert with_a_stranger[0] < alone[0]
    assert alone[1] == 0.0


def test_words_that_keep_company_are_no_strangers() -> None:
    index = KeywordIndex([PARKING])
    assert index.scores("where can I park my car")[0] > index.scores("where can I park my dog")[0]


def test_synonyms_are_found_and_answers_count_less_than_questions() -> None:
    index = KeywordIndex([PARKING, LEAVE])
    assert index.scores("vacation")[1] > 0.5
    assert index.scores("house")[0] < index.scores("park")[0]


@given(st.text(max_size=80))
def test_shares_are_between_nothing_and_one(question: str) -> None:
    shares = KeywordIndex([PARKING, LEAVE]).scores(question)
    assert ((shares >= 0) & (shares <= 1)).all()


def test_no_topics() -> None:
    assert KeywordIndex([]).scores("anything").shape == (0,)
