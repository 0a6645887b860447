from __future__ import annotations

import asyncio
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.animation.engines.liveavatar.live import channel
from comps.animation.engines.liveavatar.live.channel import ChannelError, Message, SocketChannel
from comps.animation.engines.liveavatar.live.connection import Connection

Json = st.dictionaries(
    st.text(max_size=8).filter(lambda key: key != "type"), st.integers() | st.text(max_size=20), max_size=4
)


def test_the_arithmetic_of_a_block() -> None:
    assert channel.BLOCK_SAMPLES == 7680
    assert channel.CHUNK_SAMPLES == 8000
    assert channel.BLOCK_S == 0.48
    assert channel.WARM_UP - channel.PIPE_BLOCKS == 8


@given(st.sampled_from(sorted(channel.TO_PROGRAM)), Json, st.binary(max_size=64))
def test_messages_come_out_as_they_went_in(kind: str, fields: dict[str, Any], payload: bytes) -> None:
    data = channel.encode(Message(kind, fields, payload))
    header, size = channel.lengths(data[: channel.HEAD_BYTES])
    body = data[channel.HEAD_BYTES :]
    assert len(body) == header + size
    assert channel.decode(body[:header], body[header:], channel.TO_PROGRAM) == Message(kind, fields, payload)


@pytest.mark.parametrize("head", [(0, 0), (channel.MAX_HEADER + 1, 0), (10, channel.MAX_PAYLOAD + 1), (2**32 - 1,) * 2])
def test_lengths_are_bounded(head: tuple[int, int]) -> None:
    with pytest.raises(ChannelError, match="beyond the bounds"):
        channel.lengths(struct.pack("<II", *head))


def test_nothing_too_large_is_sent() -> None:
    with pytest.raises(ChannelError):
        channel.encode(Message("audio", {"text": "x" * channel.MAX_HEADER}))


@pytest.mark.parametrize(
    "header", [b"{}", b"[]", b"12", b"\xff\xfe", b'{"type": "audio"', b'{"type": "nothing"}', b'{"type": 1}']
)
def test_what_is_no_message(header: bytes) -> None:
    with pytest.raises(ChannelError):
        channel.decode(header, b"", channel.TO_PROGRAM)


@pytest.mark.parametrize("value", [None, "1", 1.0, True, -1, 11])
def test_numbers_are_whole_and_bounded(value: Any) -> None:
    with pytest.raises(ChannelError, match="no whole number from 0 to 10"):
        Message("audio", {"n": value}).number("n", 0, 10)
    assert Message("audio", {"n": 10}).number("n", 0, 10) == 10


def test_texts_are_cut() -> None:
    assert Message("error", {"message": "abcdef"}).text("message", 3) == "abc"
    with pytest.raises(ChannelError):
        Message("error").text("message")


def test_both_ends_over_a_socket(tmp_path: Path) -> None:
    """A large message each way, in pieces as sockets cut them."""
    ours, theirs = socket.socketpair()
    large = bytes(range(256)) * 4096

    async def service() -> Message | None:
        reader, writer = await asyncio.open_connection(sock=ours)
        connection = Connection(reader, writer)
        await connection.send(Message("audio", {"n": 1}, large))
        answer = await connection.receive()
        assert await connection.receive() is None
        connection.close()
        return answer

    def program() -> None:
        other = SocketChannel(theirs)
        heard.append(other.receive())
        other.send(Message("frame", {"n": 2}, large))
        other.close()

    heard: list[Message | None] = []
    thread = threading.Thread(target=program)
    thread.start()
    assert asyncio.run(service()) == Message("frame", {"n": 2}, large)
    thread.join()
    assert heard == [Message("audio", {"n": 1}, large)]


def test_the_program_sees_the_end() -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(channel.encode(Message("stop"))[:-1])
    ours.close()
    other = SocketChannel(theirs)
    assert other.receive() is None
    other.close()


async def test_a_message_cut_short_is_an_error() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(channel.encode(Message("stats", {"n": 1}))[:-2])
    theirs.close()
    connection = Connection(*await asyncio.open_connection(sock=ours))
    with pytest.raises(ChannelError, match="in the middle"):
        await connection.receive()
    connection.close()


async def test_a_program_that_does_not_read_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comps.animation.engines.liveavatar.live.connection.SEND_S", 0.1)
    ours, theirs = socket.socketpair()
    connection = Connection(*await asyncio.open_connection(sock=ours))

    async def insist() -> None:
        for _ in range(100):
            await connection.send(Message("audio", {}, bytes(1 << 20)))

    with pytest.raises(ChannelError, match="does not read"):
        await insist()
    connection.close()
    theirs.close()


async def test_messages_of_the_other_direction_are_refused() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(channel.encode(Message("start")))
    connection = Connection(*await asyncio.open_connection(sock=ours))
    with pytest.raises(ChannelError, match="no message of type 'start'"):
        await connection.receive()
    connection.close()
    theirs.close()
