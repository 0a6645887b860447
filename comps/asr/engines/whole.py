"""For engines that hear a recording as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import numpy as np

from comps.asr.engine import Audio
from comps.core.speech import Word


async def collected(audio: AsyncIterator[Audio]) -> Audio:
    """All pieces as one array `[n]`; its length is bounded by whoever gives the pieces."""
    pieces = [piece async for piece in audio]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def placed(text: str, heard: Iterable[tuple[str, float, float]]) -> tuple[Word, ...]:
    """Words (text, start, end in seconds) with their places in `text`, searched from left to right."""
    words: list[Word] = []
    at = 0
    for raw, start, end in heard:
        word = raw.strip()
        found = text.find(word, at)
        begin = found if found >= 0 else at
        at = min(len(text), begin + len(word))
        if word:
            words.append(Word(word, start, end, begin, at))
    return tuple(words)
