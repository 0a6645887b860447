from __future__ import annotations

from pathlib import Path

import pytest

from comps.llm.engine import Message
from comps.llm.knowledge.base import KnowledgeBase
from comps.llm.knowledge.capitals import Capitals
from comps.llm.knowledge.conversation import Conversation

FOLDER = """# The office

## Opening hours

We open at nine.

## Noor

You may call Noor at any time.

## Refunds

A refund takes a week.
"""


@pytest.mark.parametrize(
    ("heading", "spoken"),
    [
        ("Opening hours", "opening hours"),
        ("Opening Hours", "opening hours"),
        ("Parking and Pets", "parking and pets"),
        ("The canteen", "the canteen"),
        ("Children's menu", "children's menu"),
        ("E-mail", "e-mail"),
        ("Berlin office", "Berlin office"),
        ("English lessons", "English lessons"),
        ("Monday meetings", "Monday meetings"),
        ("New York", "New York"),
        ("Visiting New York", "visiting New York"),
        ("Red Cross visits", "Red Cross visits"),
        ("Microsoft Teams", "Microsoft Teams"),
        ("Returns at Amazon", "returns at Amazon"),
        ("ICE trains", "ICE trains"),
        ("Wi-Fi", "Wi-Fi"),
        ("SadTalker", "SadTalker"),
        ("3D printing", "3D printing"),
        ("I am ill", "I am ill"),
        ("how to start me", "how to start me"),
        ("Öffnungszeiten", "Öffnungszeiten"),
        ("", ""),
    ],
)
def test_ordinary_words_lose_their_capital_and_names_keep_it(heading: str, spoken: str) -> None:
    assert Capitals().within_sentence(heading) == spoken


def test_what_the_base_writes_within_its_sentences_decides() -> None:
    base = Capitals(["Ask Mark about it.", "The Red Cross helps.", "Lost your badge? Get a new badge at the desk."])
    assert base.within_sentence("Mark") == "Mark"
    assert base.within_sentence("Red Cross") == "Red Cross"
    assert base.within_sentence("Badges") == "badges"
    assert Capitals(["Mark it.", '"Mark" is said. Mark: a sign.']).within_sentence("Mark") == "mark"


def test_topics_are_offered_with_the_capitals_of_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "office.md").write_text(FOLDER, encoding="utf-8")
    conversation = Conversation(KnowledgeBase.load(tmp_path))
    offer = conversation.reply([Message("user", "what can I ask you")])
    assert "opening hours, Noor or refunds" in " ".join(offer.sentences)
    said = Message("assistant", " ".join(offer.sentences))
    taken = conversation.reply([Message("user", "what can I ask you"), said, Message("user", "yes please")])
    assert taken.sentences == ("We open at nine.",)


def test_headings_in_german_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "de.md").write_text("---\nlanguage: de\n---\n# Parking\n\nHinter dem Haus.\n", encoding="utf-8")
    offer = Conversation(KnowledgeBase.load(tmp_path)).reply([Message("user", "what can I ask you")])
    assert "Parking" in " ".join(offer.sentences)
