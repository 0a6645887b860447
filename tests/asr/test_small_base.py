"""Folders of a few topics heard and answered: `tests/data/small_bases/shop`, of five, and `corner`, of three."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from comps.asr.adaptation.spoken import spoken_words
from comps.asr.engine import AsrOptions
from comps.asr.engines.pocketsphinx import PocketSphinxEngine
from comps.asr.settings import AsrSettings
from comps.llm.knowledge.base import KnowledgeBase
from comps.llm.knowledge.retriever import KNOWN, Retriever
from tests.asr.conftest import cut, spoken

pytestmark = pytest.mark.asyncio(loop_scope="module")
BASES = Path(__file__).parent.parent / "data" / "small_bases"
SHOP, CORNER = BASES / "shop", BASES / "corner"
VOICES = ("gmw/en-US", "gmw/en")


@asynccontextmanager
async def listening_for(folder: Path) -> AsyncIterator[PocketSphinxEngine]:
    made = PocketSphinxEngine(AsrSettings(decoders=1, knowledge_dir=folder))
    await made.load()
    try:
        yield made
    finally:
        await made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[PocketSphinxEngine]:
    async with listening_for(SHOP) as made:
        yield made


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    return Retriever(KnowledgeBase.load(SHOP))


async def hear(engine: PocketSphinxEngine, text: str, voice: str) -> str:
    audio = cut(spoken(text, voice), 60.0)
    return [transcript.text async for transcript in engine.transcribe(audio, AsrOptions())][-1]


INSIDE = {
    "How do I park?": "parking",
    "What are your opening hours?": "opening-hours",
    "Do you open on Sunday?": "opening-hours",
    "Can I return something?": "returns",
}
OUTSIDE = (
    "What is AvatarChatbot?",
    "What is the capital of France?",
    "Who won the world cup?",
    "How do I bake bread?",
    "My brother plays the piano very well.",
)


async def answers(engine: PocketSphinxEngine, retriever: Retriever, questions: Iterable[str]) -> list[tuple[str, str]]:
    """Each question with the topic that answers it, or ``none``; in every voice.

    eSpeak's noise differs from one synthesis to the next, so that single recordings may be misheard.
    """
    found = []
    for question in questions:
        for voice in VOICES:
            match = retriever.search(await hear(engine, question, voice), 1)[0]
            known = match.score >= KNOWN and not match.topic.reserved
            found.append((question, match.topic.id if known else "none"))
    return found


async def test_what_the_base_can_answer_is_heard_and_found(engine: PocketSphinxEngine, retriever: Retriever) -> None:
    found = await answers(engine, retriever, INSIDE)
    assert sum(INSIDE[question] == topic for question, topic in found) >= len(found) - 1


async def test_other_speech_is_not_forced_into_the_words_of_the_base(
    engine: PocketSphinxEngine, retriever: Retriever
) -> None:
    found = await answers(engine, retriever, OUTSIDE)
    assert sum(topic != "none" for _, topic in found) <= 1


async def test_headings_and_questions_of_a_folder_are_heard_word_for_word() -> None:
    said = ("Where can I park?", "Can I bring my dog?", "Opening hours")
    async with listening_for(CORNER) as made:
        heard = [(text, await hear(made, text, voice)) for text in said for voice in (*VOICES, "gmw/en-US+f3")]
    right = sum(spoken_words(text) == spoken_words(words) for text, words in heard)
    assert right >= len(heard) - 1, heard
