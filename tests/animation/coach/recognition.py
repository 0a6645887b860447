"""What the project's own recogniser hears in a recording."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from comps.asr.engine import AsrOptions, Audio
from comps.asr.engines.pocketsphinx import PocketSphinxEngine
from comps.asr.settings import AsrSettings


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


def words_of(text: str) -> list[str]:
    """Lower-case words without marks."""
    return re.sub(r"[^a-z0-9' ]+", " ", text.lower()).split()
