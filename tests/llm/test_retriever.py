"""Labelled questions: `tests/data/knowledge_questions_*.tsv`. Those that are examples of the base are left out.

The file `en_fresh` was written last and nothing was tuned on it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from comps.llm.knowledge.base import KnowledgeBase
from comps.llm.knowledge.frames import frame_length
from comps.llm.knowledge.retriever import KNOWN, OFF_TOPIC, UNKNOWN, Retriever
from comps.llm.knowledge.text import tokens
from comps.llm.knowledge.topic import Topic

DATA = Path(__file__).parent.parent / "data"


@dataclass(frozen=True)
class Outcome:
    kind: str
    right: bool
    answered: bool


@pytest.fixture(scope="module")
def retriever(base: KnowledgeBase) -> Retriever:
    return Retriever(base)


def ask(retriever: Retriever, question: str) -> str:
    match = retriever.search(question, 1)[0]
    return match.topic.id if match.score >= KNOWN and match.topic.id != OFF_TOPIC else UNKNOWN


def outcomes(base: KnowledgeBase, retriever: Retriever, pattern: str) -> Iterator[Outcome]:
    examples = {tuple(tokens(example)) for topic in base for example in topic.examples}
    for path in sorted(DATA.glob(f"knowledge_questions_{pattern}.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            for wanted, question, kind in csv.reader(file, delimiter="\t"):
                if tuple(tokens(question)) in examples:
                    continue
                got = ask(retriever, question)
                yield Outcome(kind, got in wanted.split("|"), got != UNKNOWN)


def share(values: list[bool]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize(("pattern", "answerable", "unanswerable"), [("en*", 60, 40), ("zh*", 60, 40)])
def test_what_it_knows_is_found_and_what_it_does_not_know_is_not_answered(
    base: KnowledgeBase, retriever: Retriever, pattern: str, answerable: int, unanswerable: int
) -> None:
    found = list(outcomes(base, retriever, pattern))
    known = [o for o in found if o.kind != "unanswerable"]
    unknown = [o for o in found if o.kind == "unanswerable"]
    assert len(known) >= answerable
    assert len(unknown) >= unanswerable
    assert share([o.right for o in known]) >= 0.95
    assert share([o.right for o in known if o.kind == "misheard"]) >= 0.85
    assert share([o.answered for o in unknown]) <= 0.05
    assert share([o.right for o in found if o.answered]) >= 0.95


def test_questions_that_nothing_was_tuned_on(base: KnowledgeBase, retriever: Retriever) -> None:
    found = list(outcomes(base, retriever, "en_fresh"))
    assert share([o.right for o in found if o.kind != "unanswerable"]) >= 0.9
    assert share([o.answered for o in found if o.kind == "unanswerable"]) <= 0.1


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("what is a where tar chat bought", "what"),
        ("wave to lip", "wav2lip"),
        ("open v i no", "intel"),
        ("WHAT IS WAV2LIP???", "wav2lip"),
        ("怎么起动这个程序", "start"),
    ],
)
def test_misheard_names_are_recognised_by_their_sound(retriever: Retriever, question: str, topic: str) -> None:
    assert ask(retriever, question) == topic


@pytest.mark.parametrize("question", ["", "   ", "?!", "🙂", "xqzt wvkk", "a" * 500, "the of and", "..." * 100])
def test_what_is_no_question_is_not_answered(retriever: Retriever, question: str) -> None:
    assert ask(retriever, question) == UNKNOWN


def test_matches_come_best_first_and_not_more_than_asked_for(retriever: Retriever) -> None:
    matches = retriever.search("how do I start it", 4)
    assert len(matches) == 4
    assert [m.score for m in matches] == sorted((m.score for m in matches), reverse=True)
    assert matches[0].topic.id == "start"


def test_a_question_is_looked_up_in_the_languages_of_its_script(retriever: Retriever) -> None:
    assert {m.topic.language for m in retriever.search("怎么启动", 10)} == {"zh"}
    assert {m.topic.language for m in retriever.search("how do I start it", 10)} == {"en"}


def test_a_small_folder_works_without_examples() -> None:
    topics = [
        Topic("leave", "Annual leave", "en", (), ("Employees get thirty days of holiday each year.",)),
        Topic("canteen", "Canteen", "en", (), ("Lunch is served from noon to two.",)),
        Topic("parking", "Parking", "en", (), ("Bicycles may be parked in the yard.",)),
    ]
    retriever = Retriever(KnowledgeBase(topics))
    assert ask(retriever, "where is the canteen") == "canteen"
    assert ask(retriever, "how many days of annual leave do employees get") == "leave"
    assert ask(retriever, "what is about parking") == "parking"
    assert ask(retriever, "who is the president of france") == UNKNOWN


def test_a_question_of_the_folder_comes_before_the_same_small_talk() -> None:
    own = Topic("way", "The way here", "en", ("Where are you?",), ("We are in Mill Lane twelve.",))
    talk = Topic("talk-where-you-live", "where you live", "en", ("Where are you?",), ("On this computer.",))
    assert ask(Retriever(KnowledgeBase([talk, own])), "Where are you?") == "way"


def test_a_question_is_no_compliment() -> None:
    own = Topic("parking", "Parking", "en", (), ("Behind the house.",))
    praise = Topic("talk-compliment", "a compliment", "en", ("Good job", "You are great"), ("Thank you.",))
    retriever = Retriever(KnowledgeBase([praise, own]))
    assert ask(retriever, "good job") == ask(retriever, "you did a good job") == "talk-compliment"
    assert ask(retriever, "do you have a job for me") == UNKNOWN


def test_frames_are_cut_off_but_never_everything() -> None:
    assert frame_length(["how", "do", "i", "start", "it"], "en") == 3
    assert frame_length(["tell", "me", "about", "the"], "en") < 4
    assert frame_length(["warum"], "de") == 0
