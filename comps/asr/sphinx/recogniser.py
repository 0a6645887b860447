"""One PocketSphinx decoder that listens with several language models: general English, and the knowledge base's."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import pocketsphinx

from comps.asr.adaptation.model import AdaptedModel
from comps.asr.engine import SAMPLE_RATE
from comps.asr.sphinx.conditioning import Pcm16

ADAPTED, WHOLE = "adapted", "whole"
WHOLE_BIAS = 5.0
"""Log score per frame by which a whole question of the base must be better than what else was heard.

Its words are no surprise to its model. In the tuning set of `benchmarks/small_bases.py` it is better by 10 and more where
it was said, and by less than 3 where something foreign was.
"""
_VARIANT = re.compile(r"\(\d+\)$")
_MARKS = ("<", "[", "+")
_FRAMES_PER_SECOND = 100
_LOG_BASE = math.log(1.0001)
_TYPICAL_MEAN = "42,0,1,3,-4,0,-6,0,-1,2,-1,0,1"
"""Cepstral mean of speech made by `condition`, from which live decoding starts; never that of another request."""

TUNING: dict[str, Any] = {
    "wip": 0.3,
    "maxhmmpf": 5000,
    "fwdflat": False,
    "bestpath": True,
    "cmn": "batch",
    "loglevel": "FATAL",
}
"""Found by `benchmarks/asr_adaptation.py`: as few errors as the defaults, in less than half the time."""


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word of the dictionary and its seconds from the start of the utterance."""

    word: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What one language model makes of an utterance; `score` is the log of its best path, comparable between models."""

    words: tuple[HeardWord, ...]
    score: float


class Recogniser:
    """Decodes utterances; for one thread at a time. Nothing of one utterance reaches the next.

    Args:
        model: the adapted model, or None for general English only.
    """

    def __init__(self, model: AdaptedModel | None) -> None:
        paths = {"dict": str(model.dictionary)} if model else {}
        self._decoder = pocketsphinx.Decoder(**TUNING, **paths)
        self._adapted = model is not None
        self._bias = model.bias if model else 0.0
        self._general_name = self._decoder.current_search()
        self._whole = model.whole if model else None
        if model:
            self._decoder.add_lm_file(ADAPTED, str(model.language_model))
        if self._whole:
            self._decoder.add_lm_file(WHOLE, str(self._whole.language_model))

    def decode(self, pcm: Pcm16) -> Heard:
        """The better of what the models hear in an utterance (int16 `[n]` at `SAMPLE_RATE`)."""
        general = self._decode_with(self._general_name, pcm)
        if not self._adapted:
            return general
        adapted = self._decode_with(ADAPTED, pcm)
        frames = len(pcm) * _FRAMES_PER_SECOND / SAMPLE_RATE
        likelier = adapted.words and adapted.score > general.score + self._bias * frames
        heard = adapted if likelier else general
        return self._whole_question(pcm, heard, max(general.score, adapted.score) + WHOLE_BIAS * frames) or heard

    def _whole_question(self, pcm: Pcm16, heard: Heard, needed: float) -> Heard | None:
        """A question as the base has it, when `heard` is other speech and it explains the utterance better than `needed`."""
        if self._whole is None or not heard.words or _text(heard) in self._whole.questions:
            return None
        whole = self._decode_with(WHOLE, pcm)
        return whole if whole.score > needed and _text(whole) in self._whole.questions else None

    def start(self) -> None:
        """Begin to decode live, for `feed`."""
        self._decoder.activate_search(ADAPTED if self._adapted else self._general_name)
        self._begin()
        self._decoder.set_cmn(_TYPICAL_MEAN)
        self._decoder.start_utt()

    def feed(self, pcm: Pcm16) -> list[str]:
        """The words heard so far, after `start`."""
        if len(pcm):
            self._decoder.process_raw(pcm.tobytes())
        hypothesis = self._decoder.hyp()
        return [_plain(word) for word in hypothesis.hypstr.split()] if hypothesis else []

    def stop(self) -> None:
        """End what `start` began."""
        self._decoder.end_utt()

    def _begin(self) -> None:
        """Forget the noise and the mean of the utterance before, which may be another request's (25 µs)."""
        self._decoder.reinit_feat()

    def _decode_with(self, search: str, pcm: Pcm16) -> Heard:
        self._decoder.activate_search(search)
        self._begin()
        self._decoder.start_utt()
        self._decoder.process_raw(pcm.tobytes(), full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        if hypothesis is None or hypothesis.best_score <= 0:
            return Heard((), -math.inf)
        return Heard(self._words(), math.log(hypothesis.best_score) / _LOG_BASE)

    def _words(self) -> tuple[HeardWord, ...]:
        return tuple(
            HeardWord(
                _plain(segment.word),
                segment.start_frame / _FRAMES_PER_SECOND,
                (segment.end_frame + 1) / _FRAMES_PER_SECOND,
            )
            for segment in self._decoder.seg()
            if not segment.word.startswith(_MARKS)
        )


def _text(heard: Heard) -> tuple[str, ...]:
    return tuple(word.word for word in heard.words)


def _plain(word: str) -> str:
    return _VARIANT.sub("", word)
