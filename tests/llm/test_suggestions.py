"""Questions to begin with: from the folder that answers, in a language that it speaks, each sure of its answer."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from comps.llm.engine import Message
from comps.llm.knowledge.base import KnowledgeBase
from comps.llm.knowledge.capitals import Capitals
from comps.llm.knowledge.conversation import Conversation
from comps.llm.knowledge.offer import asking
from comps.llm.settings import LlmSettings

from .conftest import serving

MUSEUM = """
# Visiting us

## Opening hours

We open at nine.

## The canteen {#canteen suggest=1}

- Where can I eat?

The canteen is on the ground floor.

## How do I park?

You can park behind the house.
"""


async def suggested(client: httpx.AsyncClient, **wanted: str | int) -> list[dict[str, str]]:
    response = await client.get("/v1/suggestions", params=wanted)
    assert response.status_code == 200
    found: list[dict[str, str]] = response.json()["suggestions"]
    return found


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_suggestion_of_the_shipped_base_is_answered(conversation: Conversation, language: str) -> None:
    suggestions = conversation.suggestions(language, 4)
    assert len(suggestions) == 4
    assert {suggestion.language for suggestion in suggestions} == {language}
    refusals = {conversation.reply([Message("user", question)]).sentences[0] for question in ("Zqx vlorp?", "嘟噜噜")}
    answers = {conversation.reply([Message("user", suggestion.text)]).sentences[0] for suggestion in suggestions}
    assert len(answers) == 4
    assert not answers & refusals


def test_an_own_folder_suggests_its_own_questions(tmp_path: Path) -> None:
    (tmp_path / "museum.md").write_text(MUSEUM, encoding="utf-8")
    texts = [suggestion.text for suggestion in Conversation(KnowledgeBase.load(tmp_path)).suggestions("", 9)]
    assert texts == ["What can you do?", "Where can I eat?"]
    (tmp_path / "museum.md").write_text(MUSEUM.replace("suggest=1", "offer"), encoding="utf-8")
    texts = [suggestion.text for suggestion in Conversation(KnowledgeBase.load(tmp_path)).suggestions("", 9)]
    assert texts == ["What can you do?", "Where can I eat?", "What about opening hours?", "How do I park?"]


def test_a_plain_folder_suggests_by_its_headings(tmp_path: Path) -> None:
    (tmp_path / "museum.md").write_text(MUSEUM.replace("{#canteen suggest=1}", ""), encoding="utf-8")
    (tmp_path / "de.md").write_text("---\nlanguage: de\n---\n# Parken\n\nHinter dem Haus.\n", encoding="utf-8")
    conversation = Conversation(KnowledgeBase.load(tmp_path))
    texts = [suggestion.text for suggestion in conversation.suggestions("", 9)]
    assert texts == ["What can you do?", "What about opening hours?", "Where can I eat?", "How do I park?"]
    assert conversation.suggestions("", 1)[0].text == "What can you do?"
    assert [suggestion.text for suggestion in conversation.suggestions("de", 9)] == ["Parken?"]


@pytest.mark.parametrize(
    ("title", "language", "question"),
    [
        ("Opening hours", "en", "What about opening hours?"),
        ("ICE trains", "en", "What about ICE trains?"),
        ("Berlin office", "en", "What about Berlin office?"),
        ("How do I park?", "en", "How do I park?"),
        ("how to start me", "en", "How to start me?"),
        ("开放时间", "zh", "开放时间？"),
        ("食堂在哪里？", "zh", "食堂在哪里？"),
        ("Öffnungszeiten", "de", "Öffnungszeiten?"),
    ],
)
def test_headings_as_questions(title: str, language: str, question: str) -> None:
    assert asking(title, language, Capitals()) == question


@pytest.mark.asyncio(loop_scope="session")
async def test_the_service_suggests_in_the_reader_s_language_or_one_it_speaks(client: httpx.AsyncClient) -> None:
    chinese = await suggested(client, language="zh-Hans-CN", count=2)
    assert [entry["language"] for entry in chinese] == ["zh", "zh"]
    french = await suggested(client, language="fr")
    assert len(french) == 4
    assert {entry["language"] for entry in french} == {"en"}
    assert (await client.get("/v1/suggestions", params={"count": 1000})).status_code == 422


async def test_a_language_model_has_none() -> None:
    async with serving(LlmSettings(engine="openai")) as client:
        assert await suggested(client) == []
