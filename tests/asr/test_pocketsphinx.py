from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from comps.asr.engine import SAMPLE_RATE, AsrOptions, Audio
from comps.asr.engines.pocketsphinx import PocketSphinxEngine
from comps.asr.settings import AsrSettings
from comps.core.errors import EngineUnavailableError, UnknownChoiceError
from comps.core.speech import Transcript
from tests.asr.conftest import cut, noise, spoken

pytestmark = pytest.mark.asyncio(loop_scope="module")
QUESTION = "How do I install AvatarChatbot?"
LINE = "how do I install AvatarChatbot"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[PocketSphinxEngine]:
    made = PocketSphinxEngine(AsrSettings(decoders=2))
    await made.load()
    yield made
    await made.close()


async def _all(engine: PocketSphinxEngine, audio: Audio, piece_s: float = 60.0) -> list[Transcript]:
    return [transcript async for transcript in engine.transcribe(cut(audio, piece_s), AsrOptions())]


async def test_a_question_of_the_base_is_heard_with_names_as_written(engine: PocketSphinxEngine) -> None:
    (final,) = await _all(engine, spoken(QUESTION))
    assert final.final
    assert (final.text, final.language) == (LINE, "en")


async def test_words_have_their_times_and_places(engine: PocketSphinxEngine) -> None:
    audio = spoken(QUESTION)
    (final,) = await _all(engine, audio)
    assert [final.text[word.char_start : word.char_end] for word in final.words] == LINE.split()
    assert final.duration == pytest.approx(len(audio) / SAMPLE_RATE)
    assert 0.1 < final.words[0].start < 0.35
    times = [moment for word in final.words for moment in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= final.duration


async def test_partials_come_while_audio_arrives(engine: PocketSphinxEngine) -> None:
    heard: list[tuple[int, str]] = []
    given = 0

    async def live() -> AsyncIterator[Audio]:
        nonlocal given
        async for piece in cut(spoken(QUESTION), 0.1):
            given += 1
            yield piece

    async for transcript in engine.transcribe(live(), AsrOptions()):
        heard.append((given, transcript.text))
    assert heard[-1][1] == LINE
    assert len(heard) >= 4
    assert heard[1][0] < given / 2


async def test_the_final_does_not_depend_on_how_the_audio_is_cut(engine: PocketSphinxEngine) -> None:
    live, whole = await _all(engine, spoken(QUESTION), 0.13), await _all(engine, spoken(QUESTION))
    assert live[-1] == whole[-1]


async def test_a_later_sentence_has_its_time_in_the_recording(engine: PocketSphinxEngine) -> None:
    audio = np.concatenate([spoken(QUESTION), np.zeros(2 * SAMPLE_RATE, np.float32), spoken("Do I need a GPU?")])
    final = (await _all(engine, audio))[-1]
    assert final.text.startswith(LINE)
    later = [word for word in final.words if word.start > len(spoken(QUESTION)) / SAMPLE_RATE + 1.8]
    assert len(later) >= 3


@pytest.mark.parametrize("audio", [np.zeros(SAMPLE_RATE, np.float32), noise(2, 0.1), np.zeros(3, np.float32)])
async def test_silence_and_noise_give_an_empty_final(engine: PocketSphinxEngine, audio: Audio) -> None:
    final = (await _all(engine, audio))[-1]
    assert final.final
    assert final.text == ""
    assert final.words == ()


async def test_nothing_of_one_recording_changes_the_next(engine: PocketSphinxEngine) -> None:
    question = spoken("What is Wav2Lip?", "gmw/en")
    alone = (await _all(engine, question))[-1]
    for before in (noise(3, 0.5) + np.resize(spoken(QUESTION), 48_000), spoken(QUESTION) * 0.01):
        await _all(engine, before.astype(np.float32), 0.1)
        assert (await _all(engine, question))[-1] == alone


async def test_more_requests_than_decoders_each_get_their_own(engine: PocketSphinxEngine) -> None:
    texts = [QUESTION, "Do I need a graphics card?", "Can I use Ollama?", "Which languages do you speak?"]
    alone = [(await _all(engine, spoken(text)))[-1].text for text in texts]
    together = await asyncio.gather(*(_all(engine, spoken(text), 0.2) for text in texts))
    assert [transcripts[-1].text for transcripts in together] == alone


async def test_a_request_that_is_dropped_frees_its_decoder(engine: PocketSphinxEngine) -> None:
    for _ in range(3):
        transcripts = engine.transcribe(cut(spoken(QUESTION), 0.1), AsrOptions())
        await anext(transcripts)
        await transcripts.aclose()
    assert (await _all(engine, spoken(QUESTION)))[-1].text == LINE


async def test_a_request_that_is_cancelled_frees_its_decoder(engine: PocketSphinxEngine) -> None:
    async def endless() -> AsyncIterator[Audio]:
        while True:
            yield spoken(QUESTION)
            await asyncio.sleep(0)

    async def run() -> None:
        async for _ in engine.transcribe(endless(), AsrOptions()):
            pass

    tasks = [asyncio.create_task(run()) for _ in range(2)]
    await asyncio.sleep(0.3)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (await _all(engine, spoken(QUESTION)))[-1].text == LINE


async def test_other_languages_are_refused_with_who_hears_them(engine: PocketSphinxEngine) -> None:
    with pytest.raises(UnknownChoiceError, match="whisper"):
        await anext(engine.transcribe(cut(spoken(QUESTION)), AsrOptions(language="zh")))


async def test_another_base_brings_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "moon.md").write_text("# Zorblax\n\n- Who polishes the Zorblax?\n\nNobody.", encoding="utf-8")
    engine = PocketSphinxEngine(AsrSettings(knowledge_dir=tmp_path))
    await engine.load()
    try:
        assert (await _all(engine, spoken("Who polishes the Zorblax?")))[-1].text == "who polishes the Zorblax"
    finally:
        await engine.close()


async def test_without_a_base_it_hears_general_english(tmp_path: Path) -> None:
    for settings in (AsrSettings(adapt=False), AsrSettings(knowledge_dir=tmp_path)):
        engine = PocketSphinxEngine(settings)
        await engine.load()
        final = (await _all(engine, spoken("The company hired two hundred people.")))[-1]
        await engine.close()
        assert "hundred people" in final.text


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    engine = PocketSphinxEngine(AsrSettings(knowledge_dir=tmp_path / "gone"))
    with pytest.raises(EngineUnavailableError, match="gone"):
        await engine.load()
    await engine.close()


async def test_closing_leaves_no_files() -> None:
    engine = PocketSphinxEngine(AsrSettings())
    await engine.load()
    model = engine._model
    assert model is not None
    assert model.dictionary.exists()
    await engine.close()
    assert not model.dictionary.parent.exists()
