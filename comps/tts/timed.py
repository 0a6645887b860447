"""Speech of any engine as the service sends it: sentence by sentence, with phone and word times.

Engines that know no times get them by alignment. Engines that speak a text whole are given one
sentence at a time, so that a long text streams, no model's limit cuts it, and memory stays bounded.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import cast

import anyio
import numpy as np
import soxr
from numpy.typing import NDArray

from comps.core.errors import UnknownChoiceError, UnprocessableError, UpstreamError
from comps.core.language.alignment import SAMPLE_RATE, Alignment, align, fit_durations
from comps.core.language.scripts import detect_language
from comps.core.language.sentences import split_sentences
from comps.core.speech import Pcm, SpeechChunk
from comps.tts.chunks import ChunkAssembler
from comps.tts.engine import TtsEngine, TtsOptions
from comps.tts.text import SpokenText, is_speakable, spoken_text

_SAMPLE_CHARS = 2000
_ALIGNERS = anyio.CapacityLimiter(1)  # the aligner takes one caller at a time anyway


def speech(engine: TtsEngine, text: str, options: TtsOptions, language: str) -> AsyncGenerator[SpeechChunk, None]:
    """Speak `text`; every chunk has the phones and words that begin in it.

    Args:
        engine: loaded.
        text: any length.
        options: of the request.
        language: of text whose letters do not tell it.
    """
    if engine.capabilities.phone_times:
        return cast("AsyncGenerator[SpeechChunk, None]", engine.speak(text, options))
    return _by_sentence(engine, text, options, language)


async def _by_sentence(
    engine: TtsEngine, text: str, options: TtsOptions, language: str
) -> AsyncGenerator[SpeechChunk, None]:
    ready: list[SpeechChunk] = []
    chunks: ChunkAssembler | None = None
    rate, place = 0, 0
    spoken_language = options.language or detect_language(text[:_SAMPLE_CHARS], language)
    for sentence in split_sentences(text):
        spoken = spoken_text(sentence, spoken_language)
        if is_speakable(spoken.text):
            pcm, own_rate = await _collect(engine.speak(spoken.text.strip(), options))
            rate = rate or own_rate
            chunks = chunks or ChunkAssembler(text, rate, ready.append)
            pcm = pcm if own_rate == rate else _resampled(pcm, own_rate, rate)
            times = await anyio.to_thread.run_sync(_align, pcm, rate, spoken.text, spoken_language, limiter=_ALIGNERS)
            _add(chunks, pcm, _placed(times, chunks.samples / rate, spoken, place))
            while ready:
                yield ready.pop(0)
        place += len(sentence)
    if chunks is None:
        raise UnprocessableError("the text holds nothing that can be spoken", param="text")
    chunks.finish()
    for chunk in ready:
        yield chunk


async def _collect(chunks: AsyncIterator[SpeechChunk]) -> tuple[Pcm, int]:
    """All samples of one sentence, and their rate."""
    pieces: list[Pcm] = []
    rate = 0
    async with aclosing(cast("AsyncGenerator[SpeechChunk, None]", chunks)) as stream:
        async for chunk in stream:
            pieces.append(chunk.pcm)
            rate = chunk.sample_rate
    if not sum(len(piece) for piece in pieces):
        raise UpstreamError("the speech engine made no sound for this text", service="tts")
    return np.concatenate(pieces), rate


def _align(pcm: Pcm, rate: int, text: str, language: str) -> Alignment:
    audio = _floats(pcm)
    if rate != SAMPLE_RATE:
        audio = soxr.resample(audio, rate, SAMPLE_RATE).astype(np.float32)
    try:
        return align(audio, text, language)
    except UnknownChoiceError:
        return fit_durations(audio, text, detect_language(text))


def _placed(times: Alignment, start: float, spoken: SpokenText, place: int) -> Alignment:
    """The same times on the utterance's clock, and places in its text."""
    phones = tuple(replace(p, start=p.start + start, end=p.end + start) for p in times.phones)
    spans = [spoken.span(w.char_start, w.char_end) for w in times.words]
    words = tuple(
        replace(w, start=w.start + start, end=w.end + start, char_start=place + a, char_end=place + b)
        for w, (a, b) in zip(times.words, spans, strict=True)
    )
    return Alignment(phones, words)


def _add(chunks: ChunkAssembler, pcm: Pcm, times: Alignment) -> None:
    chunks.add(pcm, list(times.phones), list(times.words))


def _floats(pcm: Pcm) -> NDArray[np.float32]:
    return pcm.astype(np.float32) / 32768.0


def _resampled(pcm: Pcm, rate: int, wanted: int) -> Pcm:
    scaled = soxr.resample(_floats(pcm), rate, wanted) * 32767.0
    return np.asarray(np.clip(scaled, -32768, 32767), dtype=np.int16)
