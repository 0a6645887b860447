"""Speech on its way to an engine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.animation.speech_input import SpeechClock, check_rate, in_pieces, spoken
from comps.core.errors import TooLargeError, UnprocessableError
from comps.core.speech import Phone, SpeechChunk

RATE = 16_000


def chunk(first: int, count: int, rate: int = RATE, **fields: object) -> SpeechChunk:
    return SpeechChunk(np.ones(count, np.int16), rate, first, **fields)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=12))
def test_the_clock_leaves_no_gap_and_no_overlap(parts: list[tuple[int, int]]) -> None:
    clock, position, admitted = SpeechClock(RATE, 60.0), 0, []
    for gap, count in parts:
        admitted += clock.admit(chunk(position + gap, count))
        position += gap + count
    expected = 0
    for piece in admitted:
        assert piece.first_sample == expected
        expected += len(piece.pcm)
    assert expected == clock.position == position
    assert sum(int(piece.pcm.sum()) for piece in admitted) == sum(count for _, count in parts)


def test_the_clock_refuses_what_cannot_be() -> None:
    clock = SpeechClock(RATE, 1.0)
    clock.admit(chunk(0, 100))
    with pytest.raises(UnprocessableError, match="given already"):
        clock.admit(chunk(99, 10))
    with pytest.raises(UnprocessableError, match="8000 Hz in a session of 16000"):
        clock.admit(chunk(100, 10, rate=8000))
    with pytest.raises(TooLargeError, match="longer than 1 s"):
        clock.admit(chunk(100, RATE))


def test_a_jump_of_the_clock_is_filled_in_pieces_and_bounded() -> None:
    (*silence, said) = SpeechClock(RATE, 60.0).admit(chunk(7 * RATE, 100, sentence=3))
    assert [len(piece.pcm) for piece in silence] == [2 * RATE, 2 * RATE, 2 * RATE, RATE]
    assert {(piece.sentence, bool(piece.pcm.any())) for piece in silence} == {(3, False)}
    assert said.first_sample == 7 * RATE
    clock = SpeechClock(RATE, 60.0, longest_gap_s=1.5)
    assert len(clock.admit(chunk(round(1.5 * RATE), 100))) == 2
    with pytest.raises(UnprocessableError, match=r"2\.0 s are missing before sample 56100, and at most 1\.5 s may be"):
        clock.admit(chunk(24_100 + 2 * RATE, 100))


def test_rates() -> None:
    assert check_rate(22_050) == 22_050
    for rate in (0, -1, 7_999, 10**9):
        with pytest.raises(ValueError, match="8000 to 96000"):
            check_rate(rate)


async def test_spoken_is_the_audio_in_order() -> None:
    audio = np.linspace(-1, 1, 25 * RATE, dtype=np.float32)
    chunks = [piece async for piece in spoken(audio, RATE)]
    assert len(chunks) > 2
    joined = np.concatenate([piece.pcm for piece in chunks])
    assert np.array_equal(joined, (audio * 32767).astype(np.int16))
    assert [piece.first_sample for piece in chunks] == list(np.cumsum([0, *(len(piece.pcm) for piece in chunks)])[:-1])


@given(st.integers(0, 200), st.integers(1, 60), st.lists(st.floats(-0.5, 3.0), max_size=8))
def test_a_long_chunk_comes_in_pieces_that_make_it_up(count: int, step: int, starts: list[float]) -> None:
    phones = tuple(Phone("a", start, start + 0.1) for start in sorted(starts))
    whole = chunk(50, count, 100, phones=phones, text="hello", sentence=3, emotion="joy", last=True)
    parts = in_pieces(whole, step / 100)
    assert all(len(part.pcm) <= step for part in parts)
    assert np.array_equal(np.concatenate([part.pcm for part in parts]), whole.pcm)
    assert [part.first_sample for part in parts] == [50 + step * k for k in range(len(parts))]
    assert tuple(phone for part in parts for phone in part.phones) == phones
    assert [part.text for part in parts] == ["hello", *[""] * (len(parts) - 1)]
    assert [part.last for part in parts] == [*[False] * (len(parts) - 1), True]
    assert {(part.sentence, part.emotion) for part in parts} == {(3, "joy")}
    # A phone may come early, but not after the samples that it begins with.
    assert all(phone.start >= part.start for part in parts[1:] for phone in part.phones)
