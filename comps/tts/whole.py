"""Speech given whole, as OPEA's clients want it: a WAV file in base64 within JSON.

Minutes of speech are tens of megabytes of JSON. They are made in worker threads and in pieces, each
short, so that neither the event loop nor the interpreter's lock is held while other requests wait.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import anyio
import numpy as np
import orjson
import soxr

from comps.core.errors import TooLargeError
from comps.core.media.audio import wav_header
from comps.core.speech import Pcm, Phone, SpeechChunk, Word
from comps.tts.replies import ENCODERS, Chunks

WAV_RATE = 16_000
"""Hz of the WAV files."""

_PIECE_BYTES = 3 * 32_768  # a multiple of 3, so that pieces of base64 join without padding
_PIECE_ITEMS = 500


@dataclass(frozen=True, slots=True)
class WholeSpeech:
    """A WAV file at `WAV_RATE`, and the JSON of its duration, phones and words, seconds."""

    wav: memoryview
    times: tuple[bytes, ...]

    def with_times(self) -> JsonBody:
        """``tts_result``, ``sample_rate``, ``duration``, ``phones`` and ``words``."""
        return JsonBody(b'{"tts_result":"', self.wav, (b'","sample_rate":%d,' % WAV_RATE, *self.times, b"}"))

    def with_id(self, name: str) -> JsonBody:
        """``id`` and ``byte_str``."""
        return JsonBody(b'{"id":%s,"byte_str":"' % orjson.dumps(name), self.wav, (b'"}',))


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A JSON object with a file in base64 in the middle."""

    before: bytes
    file: memoryview
    after: tuple[bytes, ...]

    def __len__(self) -> int:
        """Bytes of the whole body."""
        return len(self.before) + 4 * -(-len(self.file) // 3) + sum(map(len, self.after))

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces of at most some 130 kB."""
        yield self.before
        for start in range(0, len(self.file), _PIECE_BYTES):
            yield base64.b64encode(self.file[start : start + _PIECE_BYTES])
        for piece in self.after:
            yield piece


async def whole_speech(chunks: Chunks, max_seconds: float) -> WholeSpeech:
    """All of `chunks`, read to the end.

    Raises TooLargeError as soon as they are longer than `max_seconds`; the work stops there.
    """
    spoken: list[SpeechChunk] = []
    samples = 0
    async with aclosing(chunks):
        async for chunk in chunks:
            samples += len(chunk.pcm)
            if samples > max_seconds * chunk.sample_rate:
                raise TooLargeError(
                    f"the speech is longer than {max_seconds:g} s, which is the most that is given in one JSON; "
                    "POST /v1/audio/speech and /v1/tts/stream give any length",
                    param="text",
                )
            spoken.append(chunk)
    return await anyio.to_thread.run_sync(_whole, spoken, limiter=ENCODERS)


def _whole(chunks: list[SpeechChunk]) -> WholeSpeech:
    rate = chunks[0].sample_rate
    resampler = soxr.ResampleStream(rate, WAV_RATE, 1, dtype="int16")
    pieces = [resampler.resample_chunk(chunk.pcm) for chunk in chunks]
    pieces.append(resampler.resample_chunk(np.empty(0, np.int16), last=True))
    seconds = sum(len(chunk.pcm) for chunk in chunks) / rate
    return WholeSpeech(_wav(pieces), tuple(_times(chunks, seconds)))


def _wav(pieces: list[Pcm]) -> memoryview:
    """The file in one array: numpy copies without the interpreter's lock, `bytes` would hold it."""
    header = np.frombuffer(wav_header(WAV_RATE, sum(map(len, pieces))), "<i2")
    return np.concatenate([header, *pieces]).astype("<i2", copy=False).data.cast("B")


def _times(chunks: list[SpeechChunk], seconds: float) -> Iterator[bytes]:
    yield b'"duration":%s,"phones":' % orjson.dumps(seconds)
    yield from _array([_phone(phone) for chunk in chunks for phone in chunk.phones])
    yield b',"words":'
    yield from _array([_word(word) for chunk in chunks for word in chunk.words])


def _array(items: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    yield b"["
    for start in range(0, len(items), _PIECE_ITEMS):
        comma = b"," if start else b""
        yield comma + orjson.dumps(items[start : start + _PIECE_ITEMS])[1:-1]
    yield b"]"


def _phone(phone: Phone) -> dict[str, Any]:
    return {"phone": phone.phone, "start": phone.start, "end": phone.end, "stress": phone.stress}


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": word.text,
        "start": word.start,
        "end": word.end,
        "char_start": word.char_start,
        "char_end": word.char_end,
    }
