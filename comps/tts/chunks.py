"""Pieces of speech for the wire out of what a synthesiser makes, phones ahead of their sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from comps.core.speech import Pcm, Phone, SpeechChunk, Word

FIRST_CHUNK_S = 0.1
CHUNK_S = 0.2
PHONES_AHEAD_S = 0.2
"""A chunk leaves only when the phones of this much speech after it are known; lips need 0.15 s."""


@dataclass(slots=True)
class _Held:
    pcm: list[Pcm]
    samples: int


class ChunkAssembler:
    """Collects one utterance's samples, phones and words, and passes chunks on as they are complete.

    Args:
        text: the utterance's text, sent with the first chunk.
        sample_rate: Hz.
        emit: takes each chunk, in order.
    """

    def __init__(self, text: str, sample_rate: int, emit: Callable[[SpeechChunk], None]) -> None:
        self._text = text
        self._rate = sample_rate
        self._emit = emit
        self._held = _Held([], 0)
        self._sent = 0
        self._known = 0
        self._phones: list[Phone] = []
        self._words: list[Word] = []

    @property
    def samples(self) -> int:
        """Samples taken so far: where the next one lies on the utterance's clock."""
        return self._sent + self._held.samples

    def add(self, pcm: Pcm, phones: list[Phone], words: list[Word]) -> None:
        """More speech. Times are on the utterance's clock; phones may lie before or after these samples."""
        self._phones += phones
        self._words += words
        if len(pcm):
            self._held.pcm.append(pcm)
            self._held.samples += len(pcm)
        if phones:
            self._known = int((phones[-1].end - PHONES_AHEAD_S) * self._rate)
        while self._held.samples >= (size := self._next_size()) and self._sent + size <= self._known:
            self._release(size, last=False)

    def finish(self) -> None:
        """The utterance is over: everything held goes out, the final chunk marked as the last."""
        size = int(CHUNK_S * self._rate)
        while self._held.samples > 2 * size:
            self._release(size, last=False)
        self._release(self._held.samples, last=True)

    def _next_size(self) -> int:
        return int((CHUNK_S if self._sent else FIRST_CHUNK_S) * self._rate)

    def _release(self, samples: int, *, last: bool) -> None:
        held = np.concatenate([*self._held.pcm, np.empty(0, np.int16)])
        self._held = _Held([held[samples:]], self._held.samples - samples)
        chunk = SpeechChunk(
            pcm=held[:samples],
            sample_rate=self._rate,
            first_sample=self._sent,
            phones=tuple(self._phones),
            words=tuple(self._words),
            text="" if self._sent else self._text,
            last=last,
        )
        self._sent += samples
        self._phones, self._words = [], []
        self._emit(chunk)
