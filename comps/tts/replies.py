"""Answers of the TTS service: framed speech, encoded audio, OPEA's JSON."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import anyio
import numpy as np
import soxr

from comps.core.error_shape import error_body
from comps.core.errors import AvatarError
from comps.core.framing import pack, pack_speech
from comps.core.media.audio import AudioEncoder, AudioFormat, encode_audio
from comps.core.speech import Pcm, SpeechChunk

SERVICE = "tts"
LEGACY_RATE = 16_000
"""Hz of the WAV files OPEA's clients get."""

PCM_RATE = 24_000
"""Hz of ``pcm``, which has no header to say so; OpenAI's."""

_ENCODERS = anyio.CapacityLimiter(2)

logger = logging.getLogger(__name__)

Chunks = AsyncGenerator[SpeechChunk, None]


async def framed(chunks: Chunks, sentence: int) -> AsyncGenerator[bytes, None]:
    """Framed ``speech`` messages; a failure becomes a last message ``error``."""
    async with aclosing(chunks):
        try:
            async for chunk in chunks:
                yield pack_speech(replace(chunk, sentence=sentence))
        except AvatarError as error:
            yield pack({"type": "error", **error_body(error, SERVICE)})
        except Exception as error:
            logger.exception("speech failed after its first chunk")
            yield pack({"type": "error", **error_body(error, SERVICE)})


async def encoded(chunks: Chunks, fmt: AudioFormat) -> AsyncGenerator[bytes, None]:
    """The speech as an audio file, piece by piece; ``pcm`` is at `PCM_RATE`."""
    async with aclosing(chunks):
        encoder: AudioEncoder | None = None
        resampler: soxr.ResampleStream | None = None
        async for chunk in chunks:
            if encoder is None:
                rate = PCM_RATE if fmt == "pcm" else chunk.sample_rate
                encoder = AudioEncoder(fmt, rate)
                if rate != chunk.sample_rate:
                    resampler = soxr.ResampleStream(chunk.sample_rate, rate, 1, dtype="int16")
            pcm = resampler.resample_chunk(chunk.pcm, last=chunk.last) if resampler else chunk.pcm
            if piece := await anyio.to_thread.run_sync(encoder.encode, pcm, limiter=_ENCODERS):
                yield piece
        if encoder is not None:
            yield encoder.close()


async def collected(chunks: Chunks) -> SpeechChunk:
    """The whole speech as one chunk."""
    async with aclosing(chunks):
        pieces = [chunk async for chunk in chunks]
    return replace(
        pieces[0],
        pcm=np.concatenate([piece.pcm for piece in pieces]),
        phones=tuple(phone for piece in pieces for phone in piece.phones),
        words=tuple(word for piece in pieces for word in piece.words),
        last=True,
    )


async def legacy_wav(speech: SpeechChunk) -> str:
    """Base64 of a WAV at `LEGACY_RATE`."""
    return await anyio.to_thread.run_sync(_legacy_wav, speech.pcm, speech.sample_rate, limiter=_ENCODERS)


def _legacy_wav(pcm: Pcm, rate: int) -> str:
    resampled = soxr.resample(pcm, rate, LEGACY_RATE)
    return base64.b64encode(encode_audio(resampled, LEGACY_RATE, "wav")).decode()


def times(speech: SpeechChunk) -> dict[str, Any]:
    """Duration, phones and words as JSON, in seconds."""
    return {
        "duration": len(speech.pcm) / speech.sample_rate,
        "phones": [
            {"phone": p.phone, "start": p.start, "end": p.end, "stress": p.stress} for p in speech.phones
        ],
        "words": [
            {"word": w.text, "start": w.start, "end": w.end, "char_start": w.char_start, "char_end": w.char_end}
            for w in speech.words
        ],
    }  # fmt: skip
