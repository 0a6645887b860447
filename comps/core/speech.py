"""Speech with its times: the messages that travel between LLM, TTS and Animation.

The one clock of an answer is the sample count of its audio. Every time here is in seconds and
counts from the first sample of the *utterance* a message belongs to; `SpeechChunk.shifted` moves
a sentence onto the clock of the whole answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone. `phone` is IPA without stress marks, length mark kept (``uː``, ``oʊ``, ``p``).

    `stress` is 0 (none), 1 (primary) or 2 (secondary). A pause is the phone ``""``.
    """

    phone: str
    start: float
    end: float
    stress: int = 0


@dataclass(frozen=True, slots=True)
class Word:
    """One word as spoken; `char_start:char_end` is its place in the text of its sentence."""

    text: str
    start: float
    end: float
    char_start: int = 0
    char_end: int = 0


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """One sentence of an answer with what was said about how to say it.

    `index` counts from 0 within the answer. `language` is a BCP 47 tag (``en``, ``zh``) or ``""``
    when unknown; `emotion` is a name such as ``joy`` or ``""``; `emphasis` holds character ranges.
    """

    index: int
    text: str
    language: str = ""
    emotion: str = ""
    emphasis: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A piece of speech: mono int16 PCM `[n]` and the phones and words that begin in it.

    Phones may reach beyond the samples of their chunk, and may arrive early, but never later than
    the samples they cover. `last` marks the final chunk of sentence `sentence`. `text` is that
    sentence's text on its first chunk and empty on the others.
    """

    pcm: Pcm
    sample_rate: int
    first_sample: int = 0
    phones: tuple[Phone, ...] = ()
    words: tuple[Word, ...] = ()
    sentence: int = 0
    text: str = ""
    emotion: str = ""
    last: bool = False

    @property
    def start(self) -> float:
        """Seconds from the clock's first sample to this chunk's first sample."""
        return self.first_sample / self.sample_rate

    @property
    def end(self) -> float:
        """Seconds from the clock's first sample to just after this chunk's last sample."""
        return (self.first_sample + len(self.pcm)) / self.sample_rate

    def shifted(self, samples: int, sentence: int) -> SpeechChunk:
        """The same chunk `samples` later on the clock, as part of sentence `sentence`."""
        seconds = samples / self.sample_rate
        return replace(
            self,
            first_sample=self.first_sample + samples,
            sentence=sentence,
            phones=tuple(replace(p, start=p.start + seconds, end=p.end + seconds) for p in self.phones),
            words=tuple(replace(w, start=w.start + seconds, end=w.end + seconds) for w in self.words),
        )


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard. A partial (`final=False`) replaces the partial before it."""

    text: str
    language: str = ""
    words: tuple[Word, ...] = ()
    duration: float = 0.0
    final: bool = True
