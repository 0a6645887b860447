"""Hearing: phones for speech that brings none, the same however it was cut when it came."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import replace

import anyio
import anyio.to_thread
import numpy as np
import soxr
from numpy.typing import NDArray

from comps.animation.speech_input import part
from comps.core.media.silence import is_silent
from comps.core.speech import Phone, SpeechChunk

STRETCH_S, SEARCH_S = 4.0, 2.0
"""Speech is heard in stretches of at most `STRETCH_S`, cut at the quietest place of their last `SEARCH_S` seconds: the
recogniser mishears what has no context, and whoever waits for the first picture waits for the first stretch."""
REST_S = 1.0
"""At least so much speech is left for the last stretch."""
_RECOGNISER_HZ = 16_000
_SMOOTH_S = 0.05


async def with_phones(
    chunks: AsyncIterator[SpeechChunk], limiter: anyio.CapacityLimiter
) -> AsyncGenerator[SpeechChunk, None]:
    """The chunks; a sentence that brings no phones comes in stretches, with those that are recognised in them."""
    given = -1
    unheard = _Unheard()
    async for chunk in chunks:
        # Phones may arrive early: a sentence that has brought some is not listened to again.
        given = chunk.sentence if chunk.phones else given
        silent = given == chunk.sentence or not len(chunk.pcm)
        stretches = list(unheard.flush()) if silent or chunk.sentence != unheard.sentence else []
        if not silent:
            stretches += unheard.add(chunk)
        for stretch in stretches:
            yield await _heard(stretch, limiter)
        if silent:
            yield chunk
    for stretch in unheard.flush():
        yield await _heard(stretch, limiter)


class _Unheard:
    """Consecutive chunks of one sentence on their way to the recogniser."""

    def __init__(self) -> None:
        self._chunks: list[SpeechChunk] = []
        self._samples = 0

    @property
    def sentence(self) -> int | None:
        return self._chunks[0].sentence if self._chunks else None

    def add(self, chunk: SpeechChunk) -> Iterator[SpeechChunk]:
        """Take a chunk; the stretches that are whole by now."""
        self._chunks.append(chunk)
        self._samples += len(chunk.pcm)
        while self._samples >= (STRETCH_S + REST_S) * chunk.sample_rate:
            whole = _joined(self._chunks)
            end = _quiet_place(whole)
            self._chunks, self._samples = [part(whole, end, len(whole.pcm))], len(whole.pcm) - end
            yield part(whole, 0, end)
        if chunk.last:
            yield from self.flush()

    def flush(self) -> Iterator[SpeechChunk]:
        """What is left, as one stretch."""
        if self._chunks:
            rest, self._chunks, self._samples = _joined(self._chunks), [], 0
            yield rest


def _joined(chunks: list[SpeechChunk]) -> SpeechChunk:
    """Consecutive chunks as one."""
    if len(chunks) == 1:
        return chunks[0]
    return replace(
        chunks[0],
        pcm=np.concatenate([chunk.pcm for chunk in chunks]),
        words=tuple(word for chunk in chunks for word in chunk.words),
        emotion=next((chunk.emotion for chunk in chunks if chunk.emotion), ""),
        last=chunks[-1].last,
    )


def _quiet_place(chunk: SpeechChunk) -> int:
    """The sample at which its first stretch ends."""
    rate = chunk.sample_rate
    low = round((STRETCH_S - SEARCH_S) * rate)
    width = round(_SMOOTH_S * rate)
    sums = np.cumsum(np.abs(chunk.pcm[low : round(STRETCH_S * rate)].astype(np.int64)))
    return low + int(np.argmin(sums[width:] - sums[:-width])) + width // 2


async def _heard(stretch: SpeechChunk, limiter: anyio.CapacityLimiter) -> SpeechChunk:
    found = await anyio.to_thread.run_sync(_recognise, stretch.pcm, stretch.sample_rate, limiter=limiter)
    start = stretch.start
    return replace(stretch, phones=tuple(replace(p, start=p.start + start, end=p.end + start) for p in found))


def _recognise(pcm: NDArray[np.int16], rate: int) -> tuple[Phone, ...]:
    # The recogniser's model takes a while to import and is not needed by callers that know their phones.
    from comps.core.language.phone_recognition import recognise_phones

    audio = pcm.astype(np.float32) / 32768.0
    if is_silent(audio):
        return ()
    return tuple(recognise_phones(soxr.resample(audio, rate, _RECOGNISER_HZ).astype(np.float32)))
