"""Streamed answers of the TTS service: framed speech and encoded audio."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import anyio
import soxr

from comps.core.error_shape import error_body
from comps.core.errors import AvatarError
from comps.core.framing import pack, pack_speech
from comps.core.media.audio import AudioEncoder, AudioFormat
from comps.core.speech import SpeechChunk
from comps.core.threads import run_to_end

SERVICE = "tts"
PCM_RATE = 24_000
"""Hz of ``pcm``, which has no header to say so; OpenAI's."""

ENCODERS = anyio.CapacityLimiter(2)

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
            if piece := await run_to_end(partial(encoder.encode, pcm), ENCODERS):
                yield piece
        if encoder is not None:
            yield encoder.close()
