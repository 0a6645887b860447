"""Speech made ready for an engine: without gaps or overlaps, within its bound, and with phones."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace

import anyio
import anyio.to_thread
import numpy as np
import soxr
from numpy.typing import NDArray

from comps.core.errors import TooLargeError, UnprocessableError
from comps.core.media.silence import is_silent
from comps.core.speech import Phone, SpeechChunk

HEARING_RATE = 16_000
"""Hz of the audio that phones are recognised in."""
PIECE_S, SEARCH_S = 8.0, 3.0
"""Long audio is cut about every `PIECE_S` seconds, at the quietest place of the `SEARCH_S` seconds before."""
LONGEST_PIECE_S = 2.0
"""An engine hears no more than this at once: what it makes of it takes milliseconds then, in which nobody else is served."""
_RATES = range(8_000, 96_001)


@dataclass(slots=True)
class SpeechClock:
    """Checks chunks against the clock of one answer at `sample_rate` Hz, at most `max_seconds` long."""

    sample_rate: int
    max_seconds: float
    position: int = 0

    def admit(self, chunk: SpeechChunk) -> list[SpeechChunk]:
        """The chunk, after a silent one if the clock jumped; consecutive chunks then follow without gaps.

        Raises:
            UnprocessableError: another sample rate, or samples that were already given.
            TooLargeError: the answer gets longer than allowed.
        """
        if chunk.sample_rate != self.sample_rate:
            raise UnprocessableError(
                f"speech at {chunk.sample_rate} Hz in a session of {self.sample_rate} Hz", param="sample_rate"
            )
        gap = chunk.first_sample - self.position
        if gap < 0:
            raise UnprocessableError(
                f"speech begins at sample {chunk.first_sample}, but {self.position} were given already",
                param="first_sample",
            )
        if chunk.end > self.max_seconds:
            raise TooLargeError(f"the speech is longer than {self.max_seconds:g} s, which is the limit")
        filler = []
        if gap:
            filler = [SpeechChunk(np.zeros(gap, np.int16), self.sample_rate, self.position, sentence=chunk.sentence)]
        self.position = chunk.first_sample + len(chunk.pcm)
        return [*filler, chunk]


def pieces(audio: NDArray[np.float32], rate: int) -> list[tuple[int, int]]:
    """Where to cut mono audio into pieces of about `PIECE_S` seconds: (start, end) samples, at quiet places."""
    cuts, start = [], 0
    while len(audio) - start > int((PIECE_S + SEARCH_S) * rate):
        low = start + int((PIECE_S - SEARCH_S) * rate)
        window = audio[low : start + int(PIECE_S * rate)]
        smooth = np.convolve(np.abs(window), np.ones(rate // 20, np.float32), mode="valid")
        end = low + int(np.argmin(smooth)) + rate // 40
        cuts.append((start, end))
        start = end
    return [*cuts, (start, len(audio))]


def in_pieces(chunk: SpeechChunk, seconds: float = LONGEST_PIECE_S) -> list[SpeechChunk]:
    """The chunk, or consecutive ones of at most `seconds`, each with the phones and words that begin in it."""
    step = max(1, round(seconds * chunk.sample_rate))
    starts = range(0, len(chunk.pcm), step)
    if len(starts) < 2:
        return [chunk]
    edges = [-math.inf, *((chunk.first_sample + start) / chunk.sample_rate for start in starts[1:]), math.inf]
    return [
        replace(
            chunk,
            pcm=chunk.pcm[start : start + step],
            first_sample=chunk.first_sample + start,
            phones=tuple(phone for phone in chunk.phones if begin <= phone.start < end),
            words=tuple(word for word in chunk.words if begin <= word.start < end),
            text="" if start else chunk.text,
            last=chunk.last and start == starts[-1],
        )
        for start, begin, end in zip(starts, edges[:-1], edges[1:], strict=True)
    ]


async def spoken(audio: NDArray[np.float32], rate: int) -> AsyncIterator[SpeechChunk]:
    """Mono float32 audio at `rate` Hz as speech chunks, cut at quiet places, without phones."""
    cuts = pieces(audio, rate)
    for index, (start, end) in enumerate(cuts):
        pcm = (audio[start:end] * 32767.0).astype(np.int16)
        yield SpeechChunk(pcm, rate, start, sentence=index, last=True)


async def with_phones(
    chunks: AsyncIterator[SpeechChunk], limiter: anyio.CapacityLimiter
) -> AsyncGenerator[SpeechChunk, None]:
    """The chunks; a sentence that brings no phones gets those that are recognised in its samples."""
    given = -1
    async for chunk in chunks:
        # Phones may arrive early: a sentence that has brought some is not listened to again.
        given = chunk.sentence if chunk.phones else given
        if given == chunk.sentence or not len(chunk.pcm):
            yield chunk
            continue
        found = await anyio.to_thread.run_sync(_recognise, chunk.pcm, chunk.sample_rate, limiter=limiter)
        start = chunk.start
        yield replace(chunk, phones=tuple(replace(p, start=p.start + start, end=p.end + start) for p in found))


def _recognise(pcm: NDArray[np.int16], rate: int) -> tuple[Phone, ...]:
    # The recogniser's model takes a while to import and is not needed by callers that know their phones.
    from comps.core.language.phone_recognition import recognise_phones

    audio = pcm.astype(np.float32) / 32768.0
    if is_silent(audio):
        return ()
    return tuple(recognise_phones(soxr.resample(audio, rate, HEARING_RATE).astype(np.float32)))


def check_rate(rate: int) -> int:
    """`rate` if speech can have it; raises ValueError."""
    if rate not in _RATES:
        raise ValueError(f"sample_rate is {_RATES.start} to {_RATES.stop - 1} Hz")
    return rate
