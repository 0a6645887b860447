from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.core.errors import AvatarError, UpstreamError, UpstreamTimeoutError
from comps.core.speech import Phone, SpeechChunk, TaggedSentence, Transcript, Word


def test_a_chunk_knows_its_place_on_the_clock() -> None:
    chunk = SpeechChunk(np.zeros(8000, np.int16), 16000, first_sample=4000)
    assert (chunk.start, chunk.end) == (0.25, 0.75)


@given(first=st.integers(0, 10**6), by=st.integers(0, 10**6), rate=st.sampled_from([8000, 16000, 22050, 48000]))
def test_shifting_moves_samples_phones_and_words_together(first: int, by: int, rate: int) -> None:
    chunk = SpeechChunk(
        np.zeros(100, np.int16),
        rate,
        first,
        phones=(Phone("a", first / rate, (first + 50) / rate, 1),),
        words=(Word("a", first / rate, (first + 50) / rate, 0, 1),),
        sentence=0,
        text="a",
        last=True,
    )
    moved = chunk.shifted(by, 4)
    assert moved.first_sample == first + by
    assert moved.start == pytest.approx(chunk.start + by / rate)
    assert moved.phones[0].start == pytest.approx(moved.start)
    assert moved.words[0].end - moved.words[0].start == pytest.approx(50 / rate)
    assert (moved.sentence, moved.text, moved.last) == (4, "a", True)
    assert moved.pcm is chunk.pcm
    assert chunk.sentence == 0


@pytest.mark.parametrize("message", [Phone("a", 0, 1), Word("a", 0, 1), TaggedSentence(0, "a"), Transcript("a")])
def test_messages_do_not_change(message: Phone | Word | TaggedSentence | Transcript) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(message, dataclasses.fields(message)[0].name, "b")


def test_the_tree_of_errors() -> None:
    error = UpstreamTimeoutError("slow", service="llm", retry_after_s=1)
    assert isinstance(error, UpstreamError)
    assert isinstance(error, AvatarError)
    assert (error.status, error.retryable, error.service, str(error)) == (504, True, "llm", "slow")
    assert AvatarError("x").status == 500
