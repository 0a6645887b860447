"""One request to the recogniser: speech is found, decoded live for partials, and again as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from comps.asr.engine import SAMPLE_RATE, Audio
from comps.asr.sphinx.conditioning import condition, room_share, speech_gain
from comps.asr.sphinx.recogniser import HeardWord, Recogniser
from comps.asr.sphinx.segments import Segment, Segmenter
from comps.core.speech import Transcript, Word

LIVE_PIECE_S = 1.0
"""Longer pieces come from a file: nobody waits for partials of them."""


class Listener:
    """Listens to one recording, for one thread at a time.

    Args:
        recogniser: the decoder, for this recording alone until `finish` or `abandon`.
        spellings: how to write words that are not plain lower case.
    """

    def __init__(self, recogniser: Recogniser, spellings: Mapping[str, str]) -> None:
        self._recogniser = recogniser
        self._spellings = spellings
        self._segmenter = Segmenter()
        self._words: list[HeardWord] = []
        self._live_at: int | None = None
        self._live_gain = self._live_share = 0.0
        self.samples = 0

    def feed(self, piece: Audio) -> str:
        """The text so far, after `piece` (mono float32 in -1..1 at `SAMPLE_RATE`)."""
        self.samples += len(piece)
        for segment in self._segmenter.feed(piece):
            self._decode(segment)
        live = self._live() if len(piece) <= LIVE_PIECE_S * SAMPLE_RATE else []
        return " ".join(self._written(word) for word in (*(heard.word for heard in self._words), *live))

    def finish(self) -> Transcript:
        """The final transcript; its text is empty when there was no speech."""
        if segment := self._segmenter.finish():
            self._decode(segment)
        self.abandon()
        return self._transcript(self._words)

    def abandon(self) -> None:
        """Leave the decoder idle."""
        if self._live_at is not None:
            self._live_at = None
            self._recogniser.stop()

    def _decode(self, segment: Segment) -> None:
        self.abandon()
        gain = speech_gain(segment.samples)
        pcm = condition(segment.samples, gain, room_share(segment.samples, gain))
        offset = segment.start / SAMPLE_RATE
        self._words += [
            HeardWord(heard.word, heard.start + offset, heard.end + offset)
            for heard in self._recogniser.decode(pcm).words
        ]

    def _live(self) -> list[str]:
        segment = self._segmenter.open
        if segment is None:
            self.abandon()
            return []
        if self._live_at is None:
            self._recogniser.start()
            self._live_at, self._live_gain = 0, speech_gain(segment.samples)
            self._live_share = room_share(segment.samples, self._live_gain)
        fresh = segment.samples[self._live_at :]
        pcm = condition(fresh, self._live_gain, self._live_share, self._live_at)
        self._live_at = len(segment.samples)
        return self._recogniser.feed(pcm)

    def _written(self, word: str) -> str:
        return self._spellings.get(word, word)

    def _transcript(self, heard: Iterable[HeardWord]) -> Transcript:
        words: list[Word] = []
        at = 0
        for item in heard:
            text = self._written(item.word)
            words.append(Word(text, item.start, item.end, at, at + len(text)))
            at += len(text) + 1
        text = " ".join(word.text for word in words)
        return Transcript(text, "en", tuple(words), self.samples / SAMPLE_RATE)
