from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator
from typing import cast

import numpy as np
import pytest

from comps.core.errors import UnknownChoiceError, UnprocessableError
from comps.core.language.espeak import voices
from comps.core.speech import Pcm, SpeechChunk
from comps.tts.chunks import PHONES_AHEAD_S
from comps.tts.engine import TtsOptions
from comps.tts.engines.espeak import EspeakEngine
from comps.tts.engines.espeak_voices import CHARACTERS, choose_voice, voice_list
from comps.tts.loudness import TARGET_LUFS, loudness
from comps.tts.settings import TtsSettings

TEXT = "Hello! My name is Ada, and I was born at 3.14. Nothing after the last comma is lost, not even this"


@pytest.fixture
async def engine() -> AsyncIterator[EspeakEngine]:
    engine = EspeakEngine(TtsSettings())
    await engine.load()
    yield engine
    await engine.close()


async def speak(engine: EspeakEngine, text: str, **options: object) -> list[SpeechChunk]:
    return [chunk async for chunk in engine.speak(text, TtsOptions(**options))]  # type: ignore[arg-type]


def joined(chunks: list[SpeechChunk]) -> Pcm:
    return np.concatenate([chunk.pcm for chunk in chunks])


def summary(chunks: list[SpeechChunk]) -> tuple[float, list[str]]:
    """What is the same each time; eSpeak's breath is random, and a sentence's first pause depends on the one before."""
    return round(chunks[-1].end, 1), [phone.phone for chunk in chunks for phone in chunk.phones]


async def test_chunks_follow_each_other_and_the_last_says_so(engine: EspeakEngine) -> None:
    chunks = await speak(engine, TEXT)
    at = 0
    for chunk in chunks:
        assert chunk.first_sample == at
        at += len(chunk.pcm)
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert [chunk.text for chunk in chunks] == [TEXT] + [""] * (len(chunks) - 1)


async def test_phones_come_ahead_of_their_sound(engine: EspeakEngine) -> None:
    chunks = await speak(engine, TEXT)
    known = 0.0
    for chunk in chunks[:-1]:
        known = max([known, *(phone.end for phone in chunk.phones)])
        assert known >= chunk.end + PHONES_AHEAD_S - 1e-3
    phones = [phone for chunk in chunks for phone in chunk.phones]
    assert all(abs(a.end - b.start) < 1e-3 for a, b in itertools.pairwise(phones))
    assert phones[-1].end == pytest.approx(chunks[-1].end, abs=1e-3)


async def test_nothing_is_lost_and_a_decimal_is_one_word(engine: EspeakEngine) -> None:
    chunks = await speak(engine, TEXT)
    words = [word for chunk in chunks for word in chunk.words]
    said = " ".join(word.text for word in words)
    assert "3.14" in [word.text for word in words]
    assert said.endswith("not even this")
    assert all(TEXT[w.char_start : w.char_end] == w.text for w in words)


async def test_words_of_rewritten_text_point_at_what_was_written(engine: EspeakEngine) -> None:
    text = "First. It costs **$3.50** today."
    words = [word for chunk in await speak(engine, text) for word in chunk.words]
    assert text[words[-1].char_start : words[-1].char_end] == "today"
    assert "$3.50" in {text[w.char_start : w.char_end] for w in words}


@pytest.mark.parametrize("voice", ["default", "male", "nova", "onyx", "en-gb+f2", "gmw/en-US+klatt3"])
async def test_voices_are_equally_loud_and_never_clip(engine: EspeakEngine, voice: str) -> None:
    pcm = joined(await speak(engine, "The quick brown fox jumps over the lazy dog by the river.", voice=voice))
    assert abs(loudness(pcm, 22050) - TARGET_LUFS) < 3
    assert np.abs(pcm.astype(int)).max() < 32767


async def test_chunks_join_without_a_click(engine: EspeakEngine) -> None:
    chunks = await speak(engine, TEXT)
    pcm = joined(chunks).astype(int)
    steps = np.abs(np.diff(pcm))
    edges = [chunk.first_sample - 1 for chunk in chunks[1:]]
    assert max(steps[edge] for edge in edges) <= np.percentile(steps, 99.95)
    assert abs(pcm[0]) < 400
    assert abs(pcm[-1]) < 400


@pytest.mark.parametrize("speed", [0.25, 0.5, 1.5, 4.0])
async def test_speed_changes_length_and_times_alike(engine: EspeakEngine, speed: float) -> None:
    text = "My name is Ada and I live near the sea."
    normal, changed = await speak(engine, text), await speak(engine, text, speed=speed)
    ratio = normal[-1].end / changed[-1].end
    assert speed * 0.75 < ratio < speed * 1.25
    last = [phone for chunk in changed for phone in chunk.phones][-1]
    assert last.end == pytest.approx(changed[-1].end, abs=2e-3)


async def test_pitch_changes_the_voice_and_not_the_times(engine: EspeakEngine) -> None:
    def pitch(chunks: list[SpeechChunk]) -> float:
        part = joined(chunks)[2000:12000].astype(float)
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 65536))
        return float(np.argmax(np.fft.irfft(np.log(spectrum + 1))[60:400]) + 60)

    low = await speak(engine, "Aaaaaaah. Aaaaaah.", pitch=0.6)
    high = await speak(engine, "Aaaaaaah. Aaaaaah.", pitch=1.8)
    assert pitch(low) > 1.3 * pitch(high)


@pytest.mark.parametrize(
    ("text", "phones"),
    [("你好世界", {"ɕ", "x", "ʂ", "χ"}), ("नमस्ते", {"n", "m"}), ("I love 北京.", {"tɕ", "p"}), ("Привет", {"rʲ", "p"})],
)
async def test_letters_choose_the_language(engine: EspeakEngine, text: str, phones: set[str]) -> None:
    spoken = {phone.phone for chunk in await speak(engine, text) for phone in chunk.phones}
    assert spoken & phones


async def test_a_mixed_sentence_has_all_its_words(engine: EspeakEngine) -> None:
    words = [w.text for chunk in await speak(engine, "我用 Python 编程。") for w in chunk.words]
    assert words == ["我", "用", "Python", "编", "程"]


@pytest.mark.parametrize("text", ["", "...", " \n ", "\U0001f600"])
async def test_text_without_words_is_refused(engine: EspeakEngine, text: str) -> None:
    with pytest.raises(UnprocessableError, match="nothing that can be spoken"):
        await speak(engine, text)


async def test_leaving_stops_the_work(engine: EspeakEngine) -> None:
    endless = cast("AsyncGenerator[SpeechChunk, None]", engine.speak("Word after word. " * 5000, TtsOptions()))
    await anext(endless)
    await endless.aclose()
    assert await asyncio.wait_for(speak(engine, "Next."), 5)


async def test_speakers_do_not_disturb_each_other(engine: EspeakEngine) -> None:
    requests: list[dict[str, object]] = [{"voice": "male"}, {"voice": "de"}, {"speed": 2.0}, {"voice": "nova"}]
    alone = [summary(await speak(engine, TEXT, **options)) for options in requests]
    together = await asyncio.gather(*(speak(engine, TEXT, **options) for options in requests * 2))
    for chunks, expected in zip(together, alone * 2, strict=True):
        assert summary(chunks) == expected


def test_names_of_voices() -> None:
    assert choose_voice("Alloy", "").variant == CHARACTERS["alloy"]
    assert choose_voice("EN-gb+F2", "").file("en") == "gmw/en+f2"
    assert choose_voice("klatt", "").file("de") == "gmw/de+klatt"
    assert choose_voice("+f2", "zh").file("zh") == "sit/cmn+f2"
    assert choose_voice("German", "de-AT").file("de") == "gmw/de+f5"
    assert choose_voice("de", "").file("en") == "gmw/en-US+f5"


@pytest.mark.parametrize("name", ["robert2", "en-us+nobody", "../../etc/passwd", "xx-yy", "en-us-x", "de-AT-1996"])
def test_unknown_voices_are_refused(name: str) -> None:
    with pytest.raises(UnknownChoiceError, match="GET /v1/voices lists all") as caught:
        choose_voice(name, "")
    assert caught.value.param == "voice"


@pytest.mark.parametrize("name", ["nobody", "en-us+q", "Amy", "af_heart", "e"])
def test_nothing_unrelated_is_offered_for_an_unknown_voice(name: str) -> None:
    with pytest.raises(UnknownChoiceError) as caught:
        choose_voice(name, "")
    assert caught.value.message == f"no voice is called '{name}'; GET /v1/voices lists all"


def test_a_mistyped_variant_is_recognised() -> None:
    with pytest.raises(UnknownChoiceError, match=r"closest: \+klatt, "):
        choose_voice("de+klat", "")


def test_a_region_without_a_voice_of_its_own_has_its_languages() -> None:
    for name, file in (
        ("de-AT", "gmw/de"),
        ("pt_PT", "roa/pt"),
        ("zh-Hant-TW", "sit/cmn"),
        ("en-us-nyc", "gmw/en-US-nyc"),
    ):
        assert choose_voice(name, "").voice == next(voice for voice in voices() if voice.identifier == file)


def test_a_voice_of_another_language_is_refused() -> None:
    with pytest.raises(UnprocessableError, match="speaks German"):
        choose_voice("de", "en")


def test_every_listed_voice_can_be_chosen() -> None:
    listed = voice_list()
    assert len(listed) > 240
    for voice in listed:
        choose_voice(voice.id, "")
