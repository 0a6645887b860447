from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.core.errors import UpstreamError
from comps.core.framing import MAX_MESSAGE_BYTES, Header, pack, pack_speech, parse_speech, unpack, unpack_stream
from comps.core.speech import Phone, SpeechChunk, Word

HEADERS = st.dictionaries(
    st.text(max_size=8),
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=8)),
    max_size=4,
)
MESSAGES = st.lists(st.tuples(HEADERS, st.binary(max_size=60)), max_size=5)


async def _cut(data: bytes, at: list[int]) -> AsyncIterator[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    for start, end in pairwise(places):
        yield data[start:end]


async def _collect(parts: AsyncIterator[bytes]) -> list[tuple[Header, bytes]]:
    return [message async for message in unpack_stream(parts)]


@given(header=HEADERS, payload=st.binary(max_size=200))
def test_a_message_comes_back(header: Header, payload: bytes) -> None:
    assert unpack(pack(header, payload)) == (header, payload)
    assert pack(header, memoryview(payload)) == pack(header, payload)


@given(messages=MESSAGES, cuts=st.lists(st.integers(0, 2000), max_size=12))
async def test_a_stream_may_be_cut_anywhere(messages: list[tuple[Header, bytes]], cuts: list[int]) -> None:
    data = b"".join(pack(header, payload) for header, payload in messages)
    assert await _collect(_cut(data, cuts)) == messages


@given(header=HEADERS, payload=st.binary(max_size=50), lost=st.integers(1, 60))
async def test_a_message_cut_short_is_noticed(header: Header, payload: bytes, lost: int) -> None:
    data = pack(header, payload)
    short = data[: len(data) - lost % len(data)] if lost % len(data) else data[:-1]
    with pytest.raises(ValueError, match="framed message"):
        unpack(short)
    with pytest.raises(UpstreamError, match="middle of a message"):
        await _collect(_cut(short, []))


@given(st.binary(max_size=80))
async def test_garbage_is_messages_or_an_upstream_failure(data: bytes) -> None:
    with suppress(UpstreamError):
        await _collect(_cut(data, [3, 9]))
    with suppress(ValueError):
        unpack(data)


@pytest.mark.parametrize("header", [b"[]", b"5", b"{", b"\xff\xfe"])
async def test_a_header_that_is_no_object_is_refused(header: bytes) -> None:
    data = struct.pack("<II", len(header), 0) + header
    with pytest.raises(ValueError, match="is a JSON object"):
        unpack(data)
    with pytest.raises(UpstreamError, match="not framed messages"):
        await _collect(_cut(data, []))


async def test_a_length_beyond_reason_is_refused_before_it_is_collected() -> None:
    data = struct.pack("<II", 2, MAX_MESSAGE_BYTES) + b"{}"
    with pytest.raises(UpstreamError, match="not framed messages"):
        await _collect(_cut(data, []))


TIMES = st.floats(-1e3, 1e3, allow_nan=False)


@given(
    samples=st.lists(st.integers(-32768, 32767), max_size=30),
    phones=st.lists(st.builds(Phone, st.text(max_size=3), TIMES, TIMES, st.integers(0, 2)), max_size=3),
    words=st.lists(
        st.builds(Word, st.text(max_size=6), TIMES, TIMES, st.integers(0, 9), st.integers(0, 9)), max_size=3
    ),
    text=st.text(max_size=10),
    last=st.booleans(),
)
def test_speech_comes_back(samples: list[int], phones: list[Phone], words: list[Word], text: str, last: bool) -> None:
    chunk = SpeechChunk(np.array(samples, np.int16), 22050, 11, tuple(phones), tuple(words), 3, text, "joy", last)
    back = parse_speech(*unpack(pack_speech(chunk)))
    assert np.array_equal(back.pcm, chunk.pcm)
    assert (back.phones, back.words, back.text, back.last) == (chunk.phones, chunk.words, chunk.text, chunk.last)
    assert (back.sample_rate, back.first_sample, back.sentence, back.emotion) == (22050, 11, 3, "joy")


@pytest.mark.parametrize(
    ("change", "payload"),
    [
        ({"sample_rate": None}, b""),
        ({"sample_rate": "fast"}, b""),
        ({"sample_rate": 0}, b""),
        ({"phones": [["p", 0]]}, b""),
        ({"phones": 5}, b""),
        ({"phones": [["p", None, 1, 0]]}, b""),
        ({"phones": [["p", "nan", 1, 0]]}, b""),
        ({"phones": [["p", 0, "inf", 0]]}, b""),
        ({"words": [["w", 0, 1]]}, b""),
        ({"words": [["w", "-inf", 1, 0, 1]]}, b""),
        ({}, b"odd"),
    ],
)
def test_wrong_speech_is_a_value_error(change: dict[str, Any], payload: bytes) -> None:
    header: Header = {"type": "speech", "sample_rate": 16000, **change}
    with pytest.raises(ValueError, match="not a speech message"):
        parse_speech(header, payload)


def test_speech_without_a_rate_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="sample_rate"):
        parse_speech({}, b"")
