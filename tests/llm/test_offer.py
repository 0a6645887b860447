from __future__ import annotations

from pathlib import Path

import pytest

from comps.llm.knowledge.base import KnowledgeBase
from comps.llm.knowledge.conversation import Conversation
from comps.llm.knowledge.offer import offer_name
from tests.llm.test_conversation import talk

QUESTIONS = """# FAQ

## What are the opening hours?

We open at nine.

## How do I park?

The car park is behind the house.

## Can I bring my dog?

Dogs are welcome.
"""


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("opening hours", "opening hours"),
        ("What are the opening hours?", "the opening hours"),
        ("What's the price", "the price"),
        ("Who is the director?", "the director"),
        ("How do I park?", "how to park"),
        ("Where can we eat ?", "where to eat"),
        ("Which bus should I take?", "which bus to take"),
        ("Where is the canteen?", "where the canteen is"),
        ("Can I bring my dog?", "whether you can bring your dog"),
        ("Why does it rain?", "why does it rain"),
        ("Wann öffnen Sie?", "Wann öffnen Sie"),
        ("营业时间是什么？", "营业时间是什么"),
        ("what AvatarChatbot is", "what AvatarChatbot is"),
        ("how to start me", "how to start me"),
        ("?", "?"),
    ],
)
def test_a_heading_is_named_so_that_it_can_be_asked_about(title: str, name: str) -> None:
    assert offer_name(title) == name


def test_shipped_headings_are_named_as_they_are() -> None:
    assert all(offer_name(topic.title) == topic.title for topic in KnowledgeBase.load() if topic.offered)


def test_questions_as_headings_are_offered_and_taken_up(tmp_path: Path) -> None:
    (tmp_path / "faq.md").write_text(QUESTIONS, encoding="utf-8")
    offered, taken = talk(Conversation(KnowledgeBase.load(tmp_path)), "what can I ask you", "yes please")
    assert "the opening hours, how to park or whether you can bring your dog." in offered.sentences[0]
    assert taken.sentences == ("We open at nine.",)
