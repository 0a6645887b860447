"""Phones for speech that brings none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.hearing import REST_S, STRETCH_S, with_phones
from comps.animation.speech_input import part, spoken
from comps.core.media.audio import decode_audio
from comps.core.speech import Phone, SpeechChunk, Word

RATE = 16_000
QUESTION = Path(__file__).resolve().parents[2] / "examples" / "question.wav"


def chunk(first: int, count: int, **fields: object) -> SpeechChunk:
    return SpeechChunk(np.ones(count, np.int16), RATE, first, **fields)  # type: ignore[arg-type]


async def heard(chunks: Sequence[SpeechChunk]) -> list[SpeechChunk]:
    async def source() -> AsyncIterator[SpeechChunk]:
        for piece in chunks:
            yield piece

    return [piece async for piece in with_phones(source(), anyio.CapacityLimiter(1))]


def cut(audio: NDArray[np.int16], step: int) -> list[SpeechChunk]:
    whole = SpeechChunk(audio, RATE, last=True)
    return [part(whole, start, start + step) for start in range(0, len(audio), step)]


@pytest.fixture(scope="module")
def speech() -> NDArray[np.int16]:
    """About twelve seconds: the shipped question again and again."""
    audio = decode_audio(QUESTION.read_bytes(), rate=RATE, max_seconds=60)
    return np.tile((audio * 32767).astype(np.int16), round(12 * RATE / len(audio)))


async def test_sentences_with_phones_are_left_alone() -> None:
    given = [chunk(0, 1600, phones=(Phone("a", 0.0, 0.2),), sentence=3), chunk(1600, 1600, sentence=3)]
    assert await heard(given) == given


async def test_silence_is_not_listened_to() -> None:
    (silent,) = await heard([SpeechChunk(np.zeros(RATE, np.int16), RATE)])
    assert silent.phones == ()


async def test_audio_alone_gets_phones_on_the_answers_clock() -> None:
    t = np.arange(2 * RATE) / RATE
    vowel = sum(np.sin(2 * np.pi * f * t) for f in (120, 240, 700, 1200)) * (t % 1 > 0.3) * 4000
    (piece,) = await heard([SpeechChunk(vowel.astype(np.int16), RATE, first_sample=5 * RATE)])
    assert piece.phones
    assert all(5.0 <= phone.start < phone.end <= 7.01 for phone in piece.phones)


@pytest.mark.parametrize("step_s", [0.02, 0.25, 3.7])
async def test_the_same_is_heard_however_the_speech_was_cut(speech: NDArray[np.int16], step_s: float) -> None:
    whole = await heard([SpeechChunk(speech, RATE, last=True)])
    pieces = await heard(cut(speech, round(step_s * RATE)))
    assert [piece.phones for piece in pieces] == [piece.phones for piece in whole]
    assert [piece.first_sample for piece in pieces] == [piece.first_sample for piece in whole]
    assert sum(len(piece.phones) for piece in whole) > 30


async def test_stretches_make_up_the_speech_and_have_a_bound(speech: NDArray[np.int16]) -> None:
    stretches = await heard(cut(speech, RATE // 4))
    assert np.array_equal(np.concatenate([stretch.pcm for stretch in stretches]), speech)
    assert all(a.first_sample + len(a.pcm) == b.first_sample for a, b in pairwise(stretches))
    assert all(len(stretch.pcm) <= STRETCH_S * RATE for stretch in stretches[:-1])
    assert REST_S * RATE <= len(stretches[-1].pcm) <= (STRETCH_S + REST_S) * RATE
    assert [stretch.last for stretch in stretches] == [False] * (len(stretches) - 1) + [True]


async def test_stretches_are_cut_where_it_is_quiet() -> None:
    loud = np.full(9 * RATE, 12_000, np.int16)
    loud[3 * RATE : 3 * RATE + RATE // 4] = 0
    first, *_ = await heard([SpeechChunk(loud, RATE, last=True)])
    assert 3 * RATE <= len(first.pcm) <= 3 * RATE + RATE // 4


async def test_the_first_stretch_comes_before_the_last_chunk_is_there(speech: NDArray[np.int16]) -> None:
    given = 0

    async def source() -> AsyncIterator[SpeechChunk]:
        nonlocal given
        for piece in cut(speech, RATE // 4):
            given += len(piece.pcm)
            yield piece

    stretches = with_phones(source(), anyio.CapacityLimiter(1))
    await anext(stretches)
    assert given <= (STRETCH_S + REST_S + 0.25) * RATE
    await stretches.aclose()


async def test_a_sentence_is_not_heard_together_with_another_and_keeps_what_it_brought() -> None:
    told = chunk(2 * RATE, 100, phones=(Phone("a", 2.0, 2.1),), sentence=1)
    words = (Word("one", 0.0, 0.5), Word("two", 1.1, 1.5))
    first = chunk(0, RATE, words=words[:1], text="one two", emotion="joy")
    second = chunk(RATE, RATE, words=words[1:])
    third = chunk(2 * RATE + 100, RATE, sentence=2)
    joined, as_told, alone = await heard([first, second, told, third])
    assert (joined.words, joined.text, joined.emotion, len(joined.pcm)) == (words, "one two", "joy", 2 * RATE)
    assert as_told == told
    assert (alone.sentence, len(alone.pcm)) == (2, RATE)


async def test_a_recording_reaches_the_recogniser_as_one_sentence() -> None:
    audio = np.linspace(-1, 1, 25 * RATE, dtype=np.float32)
    chunks = [piece async for piece in spoken(audio, RATE)]
    assert {piece.sentence for piece in chunks} == {0}
    assert [piece.last for piece in chunks] == [False] * (len(chunks) - 1) + [True]
