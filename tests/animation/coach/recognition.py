"""What the project's own recogniser hears in a recording."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import numpy as np
from rapidfuzz.distance import Levenshtein

from comps.animation.coach.sound.levels import HOP, HOP_S, RATE, Samples, powers
from comps.asr.engine import AsrOptions, Audio
from comps.asr.engines.pocketsphinx import PocketSphinxEngine
from comps.asr.settings import AsrSettings
from comps.core.media.audio import decode_audio

LEADS_S = (0.0, 0.05, 0.1)
"""What is heard in a recording changes by some words with what little comes before it; so it is heard with several."""


@contextmanager
def recogniser(settings: AsrSettings) -> Iterator[Callable[[Audio], str]]:
    """A function from mono float32 at 16 kHz to text, in an event loop of its own."""
    loop, engine = asyncio.new_event_loop(), PocketSphinxEngine(settings)

    async def final(audio: Audio) -> str:
        async def once() -> AsyncIterator[Audio]:
            yield audio

        return [transcript.text async for transcript in engine.transcribe(once(), AsrOptions())][-1]

    try:
        loop.run_until_complete(engine.load())
        yield lambda audio: loop.run_until_complete(final(audio))
    finally:
        loop.run_until_complete(engine.close())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def errors_by_lead(hear: Callable[[Audio], str], text: str, data: bytes) -> list[int]:
    """Word errors of a file of sound, heard with each of `LEADS_S` of its own background in front."""
    audio = decode_audio(data, rate=RATE, max_seconds=120)
    led = (np.concatenate([_background(audio, lead), audio]) for lead in LEADS_S)
    return [word_errors(text, hear(heard)) for heard in led]


def word_errors(text: str, heard: str) -> int:
    """Words put in, left out or replaced."""
    return Levenshtein.distance(words_of(text), words_of(heard))


def _background(audio: Samples, seconds: float) -> Samples:
    """The quietest stretch of a recording."""
    count = round(seconds * RATE)
    inner = powers(audio, max(seconds, HOP_S))[count // HOP : -count // HOP or None]
    first = int(np.argmin(inner)) * HOP + count // 2
    return audio[first : first + count]


def words_of(text: str) -> list[str]:
    """Lower-case words without marks."""
    return re.sub(r"[^a-z0-9' ]+", " ", text.lower()).split()
