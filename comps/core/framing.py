"""Binary framing of messages: a JSON header and a payload, so that no hop needs base64.

Layout of one message, integers little-endian: ``u32 header bytes | u32 payload bytes | header
(UTF-8 JSON object) | payload``. A stream is messages back to back; a WebSocket message is one.
"""

from __future__ import annotations

import math
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import numpy as np
import orjson

from comps.core.errors import UpstreamError
from comps.core.speech import Phone, SpeechChunk, Word

_LENGTHS = struct.Struct("<II")
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
SPEECH_MEDIA_TYPE = "application/vnd.avatarchatbot.speech"

Header = dict[str, Any]


def pack(header: Header, payload: bytes | memoryview = b"") -> bytes:
    """One framed message."""
    encoded = orjson.dumps(header)
    return b"".join((_LENGTHS.pack(len(encoded), len(payload)), encoded, payload))


def unpack(message: bytes) -> tuple[Header, bytes]:
    """Take apart exactly one message; raises ValueError when it is cut short or has bytes left over."""
    if len(message) < _LENGTHS.size:
        raise ValueError("a framed message has at least 8 bytes")
    header_bytes, payload_bytes = _LENGTHS.unpack_from(message)
    body = _LENGTHS.size + header_bytes
    if len(message) != body + payload_bytes:
        raise ValueError(f"a framed message of {body + payload_bytes} bytes was sent as {len(message)}")
    try:
        header = orjson.loads(message[_LENGTHS.size : body])
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the header of a framed message is a JSON object: {error}") from error
    if not isinstance(header, dict):
        raise ValueError("the header of a framed message is a JSON object")
    return header, message[body:]


async def unpack_stream(parts: AsyncIterator[bytes]) -> AsyncGenerator[tuple[Header, bytes], None]:
    """Messages out of a byte stream cut anywhere; raises UpstreamError on garbage or a cut-off end."""
    buffer = bytearray()
    async for part in parts:
        buffer += part
        while len(buffer) >= _LENGTHS.size:
            header_bytes, payload_bytes = _LENGTHS.unpack_from(buffer)
            size = _LENGTHS.size + header_bytes + payload_bytes
            if size > MAX_MESSAGE_BYTES:
                raise UpstreamError("the stream is not framed messages")
            if len(buffer) < size:
                break
            message = bytes(buffer[:size])
            del buffer[:size]
            yield _unpack_upstream(message)
    if buffer:
        raise UpstreamError("the stream ended in the middle of a message")


def _unpack_upstream(message: bytes) -> tuple[Header, bytes]:
    try:
        return unpack(message)
    except ValueError as error:
        raise UpstreamError(f"the stream is not framed messages: {error}") from error


def pack_speech(chunk: SpeechChunk) -> bytes:
    """A `SpeechChunk` as one framed message; the payload is little-endian int16 PCM."""
    header: Header = {
        "type": "speech",
        "sample_rate": chunk.sample_rate,
        "first_sample": chunk.first_sample,
        "phones": [[p.phone, p.start, p.end, p.stress] for p in chunk.phones],
        "words": [[w.text, w.start, w.end, w.char_start, w.char_end] for w in chunk.words],
        "sentence": chunk.sentence,
        "text": chunk.text,
        "emotion": chunk.emotion,
        "last": chunk.last,
    }
    return pack(header, chunk.pcm.astype("<i2", copy=False).tobytes())


def parse_speech(header: Header, payload: bytes) -> SpeechChunk:
    """The `SpeechChunk` of a message; raises ValueError when a field is missing, of the wrong kind, or no finite time."""
    try:
        if len(payload) % 2:
            raise ValueError("int16 PCM has an even number of bytes")
        if int(header["sample_rate"]) < 1:
            raise ValueError("the sample rate is a positive number")
        return SpeechChunk(
            pcm=np.frombuffer(payload, dtype="<i2"),
            sample_rate=int(header["sample_rate"]),
            first_sample=int(header.get("first_sample", 0)),
            phones=tuple(
                Phone(str(p), _time(s), _time(e), int(stress)) for p, s, e, stress in header.get("phones", ())
            ),
            words=tuple(Word(str(t), _time(s), _time(e), int(a), int(b)) for t, s, e, a, b in header.get("words", ())),
            sentence=int(header.get("sentence", 0)),
            text=str(header.get("text", "")),
            emotion=str(header.get("emotion", "")),
            last=bool(header.get("last", False)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a speech message: {error!r}") from error


def _time(value: Any) -> float:
    """Seconds; JSON has no infinity, but ``float`` takes the string of one."""
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError(f"a time is a finite number, not {seconds}")
    return seconds
