"""Speech made for tests: a buzz where phones sound, silence where they pause."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from itertools import pairwise

import numpy as np

from comps.core.speech import Phone, SpeechChunk

RATE = 16000


def phones(*parts: tuple[str, float] | tuple[str, float, int]) -> list[Phone]:
    """Phones in a row from (phone, seconds[, stress])."""
    row, start = [], 0.0
    for name, seconds, *stress in parts:
        row.append(Phone(str(name), start, start + seconds, stress[0] if stress else 0))
        start += seconds
    return row


def sound(row: Iterable[Phone], seconds: float) -> np.ndarray:
    """PCM that is loud in every phone but pauses, int16 `[n]`."""
    time = np.arange(round(seconds * RATE)) / RATE
    loud = np.zeros_like(time)
    for phone in row:
        if phone.phone:
            loud[(time >= phone.start) & (time < phone.end)] = 0.3
    return (loud * np.sin(2 * np.pi * 180 * time) * 32767).astype(np.int16)


def chunks(row: list[Phone], seconds: float, cuts: Iterable[int] = (), emotion: str = "") -> list[SpeechChunk]:
    """The speech cut at the samples `cuts`; each phone comes with the chunk it begins in."""
    pcm = sound(row, seconds)
    edges = sorted({0, len(pcm), *(cut for cut in cuts if 0 < cut < len(pcm))})
    made = []
    for start, stop in pairwise(edges):
        begun = tuple(p for p in row if start <= p.start * RATE < stop)
        made.append(SpeechChunk(pcm[start:stop], RATE, start, begun, emotion=emotion, last=stop == len(pcm)))
    return made


async def stream(parts: Iterable[SpeechChunk]) -> AsyncIterator[SpeechChunk]:
    """The chunks one by one."""
    for part in parts:
        yield part


SENTENCE = phones(
    ("", 0.2), ("m", 0.08), ("aɪ", 0.18, 1), ("n", 0.06), ("eɪ", 0.15, 1), ("m", 0.07), ("ɪ", 0.06), ("z", 0.08),
    ("f", 0.09), ("uː", 0.20, 1), ("b", 0.06), ("ɑː", 0.22, 1), ("ɹ", 0.07), ("", 0.5),
    ("p", 0.07), ("iː", 0.18, 1), ("p", 0.07), ("əl", 0.12), ("", 0.4),
)  # fmt: skip
SENTENCE_S = SENTENCE[-1].end
