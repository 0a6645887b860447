"""Folders of a few topics, as users write them: `tests/data/small_bases`, asked in words that are no examples."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from comps.llm.knowledge.base import KnowledgeBase
from comps.llm.knowledge.retriever import KNOWN, Retriever

DATA = Path(__file__).parent.parent / "data" / "small_bases"
BASES = ("shop", "clinic", "handbook")


def asked(name: str) -> list[tuple[str, str]]:
    """What each question of the file `name` wants, a topic or ``none``, and what it got."""
    retriever = Retriever(KnowledgeBase.load(DATA / name))
    results = []
    with (DATA / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        for wanted, question, _ in csv.reader(file, delimiter="\t"):
            match = retriever.search(question, 1)[0]
            answered = match.score >= KNOWN and not match.topic.reserved
            results.append((wanted, match.topic.id if answered else "none"))
    return results


@pytest.mark.parametrize("name", BASES)
def test_paraphrases_are_found_and_other_questions_are_not_answered(name: str) -> None:
    results = asked(name)
    inside = [got == wanted for wanted, got in results if wanted != "none"]
    outside = [got != "none" for wanted, got in results if wanted == "none"]
    assert len(inside) >= 40
    assert len(outside) >= 60
    assert sum(inside) / len(inside) >= 0.75
    assert sum(outside) / len(outside) <= 0.05


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("where can I park my car", "parking"),
        ("Is there free parking", "parking"),
        ("when are you open on saturday", "opening-hours"),
    ],
)
def test_one_example_is_enough_for_the_nearest_ways_to_ask(question: str, topic: str) -> None:
    match = Retriever(KnowledgeBase.load(DATA / "shop")).search(question, 1)[0]
    assert (match.topic.id, match.score >= KNOWN) == (topic, True)


@pytest.mark.parametrize("question", ["what is AvatarChatbot", "how do I start a motorcycle", "can I bring my dog"])
def test_what_shares_only_a_frame_is_not_answered(question: str) -> None:
    for name in BASES:
        match = Retriever(KnowledgeBase.load(DATA / name)).search(question, 1)[0]
        assert match.score < KNOWN or match.topic.reserved
