"""Times of the phones and words of a known text in given audio.

English: PocketSphinx aligns the words' pronunciations by force. Other languages, and audio that
does not fit its text: eSpeak's phones, their durations fitted to where the audio holds speech.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder

from comps.core.language.espeak import phonemize, sample_rate, synthesise, voice_for_language
from comps.core.language.espeak_library import RawEvent, RawSettings
from comps.core.language.espeak_times import PhoneTimer
from comps.core.language.phones import arpabet_to_ipa, ipa_to_arpabet
from comps.core.language.speech_gate import FRAME_S, speech_frames
from comps.core.speech import Pcm, Phone, Word

SAMPLE_RATE = 16_000

_MAX_ADDED_WORDS = 20_000
_SHORTEST_PAUSE_S = 0.04
_TOKEN = re.compile(r"\S+")
_PUNCTUATION = "\"'“”‘’«»()[]{}<>,.;:!?…*_"
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Alignment:
    """Phones without gaps over the whole audio, and words with their places in the text; seconds."""

    phones: tuple[Phone, ...]
    words: tuple[Word, ...]


def align(audio: NDArray[np.float32], text: str, language: str) -> Alignment:
    """When each phone and word of `text` is said in `audio`.

    Blocks, about 0.1 s per second of audio.

    Args:
        audio: mono float32 `[n]` in -1..1 at `SAMPLE_RATE`, speaking `text` and nothing else.
        text: what is said; numbers and abbreviations are read as eSpeak reads them.
        language: BCP 47 tag.

    Raises:
        UnknownChoiceError: no voice speaks `language`, so its letters cannot be read.
    """
    seconds = len(audio) / SAMPLE_RATE
    if language.lower().startswith("en") and (found := _force(audio, text)):
        return Alignment(_covering(found.phones, seconds), found.words)
    return fit_durations(audio, text, language)


def fit_durations(audio: NDArray[np.float32], text: str, language: str) -> Alignment:
    """eSpeak's own phones for `text`, sped up or slowed down to fill the parts of `audio` that hold speech."""
    timer = PhoneTimer(text, sample_rate())

    def listen(pcm: Pcm, events: list[RawEvent]) -> bool:
        timer.feed(pcm, events)
        return True

    synthesise(text, RawSettings(voice_for_language(language).identifier), listen)
    timer.finish()
    model = timer.take_phones()
    seconds = len(audio) / SAMPLE_RATE
    warp = _Warp(model, speech_frames(audio, SAMPLE_RATE), seconds)
    phones = [replace(p, start=warp(p.start), end=warp(p.end)) for p in model if p.phone]
    words = tuple(replace(w, start=warp(w.start), end=warp(w.end)) for w in timer.take_words())
    return Alignment(_covering(tuple(phones), seconds), words)


class _Warp:
    """From the model's time to the audio's, so that both have spoken equally much of the whole."""

    def __init__(self, model: list[Phone], spoken: NDArray[np.bool_], seconds: float) -> None:
        voiced = [(p.end - p.start if p.phone else 0.0) for p in model]
        self._times = np.array([0.0, *(p.end for p in model)])
        self._shares = np.concatenate(([0.0], np.cumsum(voiced))) / max(sum(voiced), 1e-9)
        frames = spoken if spoken.any() else np.ones(max(len(spoken), 1), np.bool_)
        self._done = np.concatenate(([0.0], np.cumsum(frames))) / frames.sum()
        self._clock = np.minimum(np.arange(len(self._done)) * FRAME_S, seconds)

    def __call__(self, time: float) -> float:
        share = float(np.interp(time, self._times, self._shares))
        # Of a pause, during which nothing is done, both ends have the same share: a start is its end.
        index = int(np.searchsorted(self._done, share, side="right"))
        if index >= len(self._done):
            return float(self._clock[int(np.searchsorted(self._done, 1.0))])
        step = self._done[index] - self._done[index - 1]
        part = (share - self._done[index - 1]) / step if step > 0 else 0.0
        return float(self._clock[index - 1] + part * (self._clock[index] - self._clock[index - 1]))


@lru_cache(maxsize=1)
def _decoder() -> Decoder:
    return Decoder(lm=None, samprate=float(SAMPLE_RATE), loglevel="FATAL")


_added: dict[str, None] = {}


def _force(audio: NDArray[np.float32], text: str) -> Alignment | None:
    """The forced alignment, or None when the audio does not fit the text."""
    pcm = (np.clip(audio, -1, 1) * 32767).astype(np.int16).tobytes()
    with _lock:
        if len(_added) > _MAX_ADDED_WORDS:
            _decoder.cache_clear()
            _added.clear()
        decoder = _decoder()
        tokens = [(*_inner(m), label) for m in _TOKEN.finditer(text) if (label := _label(decoder, m.group()))]
        if not tokens:
            return None
        try:
            decoder.set_align_text(" ".join(label for _, _, label in tokens))
            _run(decoder, pcm)
            decoder.set_alignment()
            _run(decoder, pcm)
            found = [(w.name, [(p.name, p.start, p.duration) for p in w]) for w in decoder.get_alignment() or ()]
        except RuntimeError:  # what the library raises when no path through the text fits the audio
            return None
    return _read(found, tokens, text)


def _run(decoder: Decoder, pcm: bytes) -> None:
    decoder.reinit_feat()  # the mean of what was heard before, of others too, would be taken from this
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _inner(token: re.Match[str]) -> tuple[int, int]:
    """Place of a token without the punctuation around it."""
    text = token.group()
    start = token.start() + len(text) - len(text.lstrip(_PUNCTUATION))
    return start, max(start + 1, token.end() - len(text) + len(text.rstrip(_PUNCTUATION)))


def _label(decoder: Decoder, token: str) -> str:
    """The dictionary's word for a token; one that it lacks is added as eSpeak says it; "" when it is silent."""
    word = token.lower().strip(_PUNCTUATION).replace("’", "'")
    if re.fullmatch(r"[a-z']+", word) and decoder.lookup_word(word):
        return word
    symbols = [symbol for spoken in phonemize(token, "en") for phone in spoken for symbol in ipa_to_arpabet(phone)]
    label = "_".join(symbols)
    if label and label not in _added:
        decoder.add_word(label, " ".join(symbols), True)
        _added[label] = None
    return label


def _read(
    found: list[tuple[str, list[tuple[str, int, int]]]], tokens: list[tuple[int, int, str]], text: str
) -> Alignment | None:
    """Phones and words of the decoder's answer; None unless it has every word."""
    phones: list[Phone] = []
    words: list[Word] = []
    waiting = list(reversed(tokens))
    for name, parts in found:
        spans = [Phone(arpabet_to_ipa(p), start * FRAME_S, (start + n) * FRAME_S) for p, start, n in parts]
        phones += spans
        # "word(2)" is the second pronunciation of "word"; silence and noise are in angle brackets or plus signs.
        if waiting and name.partition("(")[0] == waiting[-1][2]:
            first, stop, _ = waiting.pop()
            words.append(Word(text[first:stop], spans[0].start, spans[-1].end, first, stop))
    return None if waiting else Alignment(tuple(phones), tuple(words))


def _covering(phones: tuple[Phone, ...], seconds: float) -> tuple[Phone, ...]:
    """The phones with pauses in the gaps, from 0 to `seconds`; gaps too short to see close up."""
    inside = [replace(p, end=min(p.end, seconds)) for p in phones if p.phone and p.start < seconds]
    fenced = [Phone("", 0.0, 0.0), *inside, Phone("", seconds, seconds)]
    covered: list[Phone] = []
    for before, after in pairwise(fenced):
        gap = after.start - before.end
        if gap >= _SHORTEST_PAUSE_S or (gap > 0 and not before.phone):
            covered.append(Phone("", before.end, after.start))
        elif gap > 0 and covered:
            covered[-1] = replace(before, end=after.start)
        if after.phone:
            covered.append(after)
    return tuple(covered)
