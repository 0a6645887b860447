"""The one clock of an answer: every utterance is laid behind the one before it, with a pause."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import soxr

from comps.core.speech import Pcm, Phone, SpeechChunk, Word

_SILENCE_LEVEL = 160
"""Samples no louder than this (about -46 dBFS) count as silence."""
_PAUSES_S = {",": 0.16, ";": 0.24, ":": 0.24, "、": 0.16, "，": 0.16, "；": 0.24, "：": 0.24}
_PAUSE_S = 0.36
_CLOSERS = "\"'”’»)]}」』）】》 "


def pause_after(text: str) -> float:
    """Seconds a speaker pauses after `text`, by its last mark."""
    return _PAUSES_S.get(text.rstrip(_CLOSERS)[-1:], _PAUSE_S)


class AnswerClock:
    """Puts the chunks of successive utterances onto one clock of `sample_rate` Hz.

    Chunks of another rate are resampled. `position` is the number of samples laid so far;
    `native_rate` the rate in which the first chunk came, 0 before.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.position = 0
        self.native_rate = 0
        self._offset = 0
        self._quiet_tail = 0
        self._resampler: soxr.ResampleStream | None = None

    def begin(self, pause_s: float) -> SpeechChunk | None:
        """Begin the next utterance; returns the silence before it, less what the last one ended with."""
        self._resampler = None
        silent = max(0, round(pause_s * self.sample_rate) - self._quiet_tail) if self.position else 0
        start = self.position
        self.position += silent
        self._offset = self.position
        self._quiet_tail = 0
        if not silent:
            return None
        seconds = (start / self.sample_rate, self.position / self.sample_rate)
        silence = np.zeros(silent, np.int16)
        return SpeechChunk(silence, self.sample_rate, start, phones=(Phone("", *seconds),))

    def place(self, chunk: SpeechChunk, sentence: int) -> SpeechChunk:
        """The chunk of the current utterance, on the clock."""
        self.native_rate = self.native_rate or chunk.sample_rate
        pcm = self._at_rate(chunk)
        seconds = self._offset / self.sample_rate
        placed = replace(
            chunk,
            pcm=pcm,
            sample_rate=self.sample_rate,
            first_sample=self.position,
            sentence=sentence,
            phones=tuple(_later_phone(phone, seconds) for phone in chunk.phones),
            words=tuple(_later_word(word, seconds) for word in chunk.words),
        )
        self.position += len(pcm)
        self._note_tail(pcm)
        return placed

    def _at_rate(self, chunk: SpeechChunk) -> Pcm:
        if chunk.sample_rate == self.sample_rate:
            return chunk.pcm
        if self._resampler is None:
            self._resampler = soxr.ResampleStream(chunk.sample_rate, self.sample_rate, 1, dtype="int16")
        resampled: Pcm = self._resampler.resample_chunk(chunk.pcm, last=chunk.last)
        return resampled

    def _note_tail(self, pcm: Pcm) -> None:
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > _SILENCE_LEVEL)
        self._quiet_tail = len(pcm) - 1 - int(loud[-1]) if len(loud) else self._quiet_tail + len(pcm)


def _later_phone(phone: Phone, seconds: float) -> Phone:
    return replace(phone, start=phone.start + seconds, end=phone.end + seconds)


def _later_word(word: Word, seconds: float) -> Word:
    return replace(word, start=word.start + seconds, end=word.end + seconds)
