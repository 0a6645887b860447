"""Server-sent events out of bytes cut anywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.core.errors import UpstreamError
from comps.core.sse import DONE, ServerEvent, StreamOptions, read_bodies, read_events


async def cut(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def events_of(data: bytes, size: int = 4096, options: StreamOptions | None = None) -> list[ServerEvent]:
    async with aclosing(read_events(cut(data, size), "llm", options)) as events:
        return [event async for event in events]


async def bodies_of(data: bytes, size: int = 4096, options: StreamOptions | None = None) -> list[bytes]:
    async with aclosing(read_bodies(cut(data, size), "llm", options)) as bodies:
        return [body async for body in bodies]


STREAM = ': hello\nid: 7\nretry: 10\n\nevent: media\ndata: {"a":\ndata:1}\n\ndata:é\n\n\n\ndata\ndata:  x'.encode()
EVENTS = [ServerEvent("media", b'{"a":\n1}'), ServerEvent("message", "é".encode()), ServerEvent("message", b"\n x")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 4096])
async def test_events_are_the_same_however_they_are_cut(size: int, end: bytes) -> None:
    assert await events_of(STREAM.replace(b"\n", end), size) == [
        ServerEvent(event.name, event.data) for event in EVENTS
    ]


async def test_an_event_comes_with_its_empty_line_and_not_later() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"data: 1\r\n\r"
        raise AssertionError("asked for more than the event needs")

    events = read_events(pieces(), "llm")
    assert await anext(events) == ServerEvent("message", b"1")
    await events.aclose()


async def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert await events_of(b"\xef\xbb\xbfdata: 1\n\n", 1) == [ServerEvent("message", b"1")]


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=30)), st.data())
async def test_what_was_written_is_read(texts: list[str], data: st.DataObject) -> None:
    stream = b"".join(b"data: %s\n\n" % text.encode() for text in texts)
    size = data.draw(st.integers(1, len(stream) + 1))
    assert [event.data.decode() for event in await events_of(stream, size)] == texts


async def test_bodies_end_with_done() -> None:
    assert await bodies_of(b"\n\ndata: {}\n\ndata: [1]\n\ndata: [DONE]\n\n<html>never read", 1) == [b"{}", b"[1]", DONE]


@pytest.mark.parametrize("size", [1, 3, 4096])
async def test_an_answer_that_is_not_streamed_is_one_body(size: int) -> None:
    assert await bodies_of(b' \n{\n "a": 1\n\n}\n', size) == [b' \n{\n "a": 1\n\n}\n']
    assert await bodies_of(b"", size) == []


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (b"<html><body>It works!</body></html>", "sent no answer: <html><body>It works"),
        (b"\x00\x01\x02\n", "sent no answer"),
        (b"data: " + b"x" * 200, "a line of more than 100 bytes"),
        (b"data: xxxxxxxxxxxx\n" * 20, "(a line|an event) of more than 100 bytes"),
        (b'{"a": "' + b"x" * 200, "a body of more than 100 bytes"),
        (b" " * 200, "a line of more than 100 bytes"),
        (b"data: 1\n\n" * 200, "a stream of more than 1000 bytes"),
    ],
)
@pytest.mark.parametrize("size", [1, 50, 4096])
async def test_what_is_no_stream_or_too_much_of_it_is_refused(stream: bytes, says: str, size: int) -> None:
    with pytest.raises(UpstreamError, match=says) as caught:
        await bodies_of(stream, size, StreamOptions("answer", event_bytes=100, stream_bytes=1000))
    assert caught.value.service == "llm"
