"""Speech made ready for an engine: without gaps or overlaps, and within its bound."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comps.core.errors import TooLargeError, UnprocessableError
from comps.core.speech import SpeechChunk

LONGEST_PIECE_S = 2.0
"""An engine hears no more than this at once: what it makes of it takes milliseconds then, in which nobody else is served."""
_RATES = range(8_000, 96_001)


@dataclass(slots=True)
class SpeechClock:
    """Checks chunks against the clock of one answer at `sample_rate` Hz, at most `max_seconds` long.

    It may jump by at most `longest_gap_s` seconds at once.
    """

    sample_rate: int
    max_seconds: float
    position: int = 0
    longest_gap_s: float = math.inf

    def admit(self, chunk: SpeechChunk) -> list[SpeechChunk]:
        """The chunk, after silent ones of at most `LONGEST_PIECE_S` if the clock jumped; nothing is missing between them.

        Raises:
            UnprocessableError: another sample rate, samples that were already given, or too long a gap.
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
        if gap > self.longest_gap_s * self.sample_rate:
            raise UnprocessableError(
                f"{gap / self.sample_rate:.1f} s are missing before sample {chunk.first_sample}, and at most"
                f" {self.longest_gap_s:g} s may be: send the silence, too",
                param="first_sample",
            )
        filler = []
        if gap:
            silence = SpeechChunk(np.zeros(gap, np.int16), self.sample_rate, self.position, sentence=chunk.sentence)
            filler = in_pieces(silence)
        self.position = chunk.first_sample + len(chunk.pcm)
        return [*filler, chunk]


def in_pieces(chunk: SpeechChunk, seconds: float = LONGEST_PIECE_S) -> list[SpeechChunk]:
    """The chunk, or consecutive ones of at most `seconds`, each with the phones and words that begin in it."""
    step = max(1, round(seconds * chunk.sample_rate))
    starts = range(0, len(chunk.pcm), step)
    return [part(chunk, start, start + step) for start in starts] if len(starts) > 1 else [chunk]


def part(chunk: SpeechChunk, start: int, stop: int) -> SpeechChunk:
    """Samples `start` to `stop` of a chunk, with what begins in them; its text is on the first, its end on the last."""
    ended = stop >= len(chunk.pcm)
    begin = (chunk.first_sample + start) / chunk.sample_rate if start else -math.inf
    end = math.inf if ended else (chunk.first_sample + stop) / chunk.sample_rate
    return replace(
        chunk,
        pcm=chunk.pcm[start:stop],
        first_sample=chunk.first_sample + start,
        phones=tuple(phone for phone in chunk.phones if begin <= phone.start < end),
        words=tuple(word for word in chunk.words if begin <= word.start < end),
        text="" if start else chunk.text,
        last=chunk.last and ended,
    )


async def spoken(audio: NDArray[np.float32], rate: int) -> AsyncIterator[SpeechChunk]:
    """Mono float32 audio at `rate` Hz as consecutive chunks of one sentence, without phones."""
    whole = SpeechChunk((audio * 32767.0).astype(np.int16), rate, last=True)
    for piece in in_pieces(whole):
        yield piece


def check_rate(rate: int) -> int:
    """`rate` if speech can have it; raises ValueError."""
    if rate not in _RATES:
        raise ValueError(f"sample_rate is {_RATES.start} to {_RATES.stop - 1} Hz")
    return rate
