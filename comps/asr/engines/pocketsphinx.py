"""The embedded recogniser: PocketSphinx with its model in the wheel, adapted to the knowledge base."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import anyio
import pocketsphinx

from comps.asr.adaptation.model import AdaptedModel, build_model
from comps.asr.engine import SAMPLE_RATE, AsrCapabilities, AsrEngine, AsrOptions, Audio
from comps.asr.languages import english_only
from comps.asr.settings import AsrSettings
from comps.asr.sphinx.listener import Listener
from comps.asr.sphinx.recogniser import Recogniser
from comps.core.errors import EngineUnavailableError
from comps.core.speech import Transcript
from comps.core.threads import run_to_end

ResultT = TypeVar("ResultT")
logger = logging.getLogger(__name__)
_DICTIONARY = "en-us/cmudict-en-us.dict"


class PocketSphinxEngine(AsrEngine):
    """Hears English. Holds up to `settings.decoders` recognisers, each made when first needed; requests share them."""

    capabilities = AsrCapabilities(partials=True, word_times=True, languages=("en",))

    def __init__(self, settings: AsrSettings) -> None:
        self._settings = settings
        self._threads = anyio.CapacityLimiter(settings.decoders)
        self._idle: asyncio.LifoQueue[Recogniser | None] = asyncio.LifoQueue()
        self._folder: TemporaryDirectory[str] | None = None
        self._model: AdaptedModel | None = None

    async def load(self) -> None:
        """Adapt to the knowledge folder and make the first recogniser."""
        for _ in range(self._settings.decoders):
            self._idle.put_nowait(None)
        self._model = await self._in_thread(self._adapt)
        async with self._recogniser():
            pass

    async def close(self) -> None:
        """Drop the recognisers and the files they were made from."""
        self._idle = asyncio.LifoQueue()
        if self._folder:
            self._folder.cleanup()

    async def transcribe(self, audio: AsyncIterator[Audio], options: AsrOptions) -> AsyncIterator[Transcript]:
        """Yield a partial when it changes, then the final transcript; `options.prompt` and temperature have no use."""
        english_only(options.language)
        async with self._recogniser() as recogniser:
            listener = Listener(recogniser, self._model.spellings if self._model else {})
            try:
                shown = ""
                async for piece in audio:
                    text = await self._in_thread(lambda piece=piece: listener.feed(piece))  # type: ignore[misc]
                    if text != shown:
                        shown = text
                        yield Transcript(text, "en", duration=listener.samples / SAMPLE_RATE, final=False)
                yield await self._in_thread(listener.finish)
            finally:
                listener.abandon()

    def _adapt(self) -> AdaptedModel | None:
        folder = self._settings.knowledge_dir
        if not self._settings.adapt or folder is None:
            return None
        if not folder.is_dir():
            raise EngineUnavailableError(
                f"there is no knowledge folder '{folder}': AVATAR_KNOWLEDGE_DIR names a folder of Markdown that exists",
                param="knowledge_dir",
            )
        self._folder = TemporaryDirectory(prefix="avatar-asr-")
        model = build_model(folder, Path(pocketsphinx.get_model_path(_DICTIONARY)), Path(self._folder.name))
        if model is None:
            logger.warning("the knowledge folder has no English text; speech recognition is not adapted")
        return model

    @asynccontextmanager
    async def _recogniser(self) -> AsyncIterator[Recogniser]:
        """A recogniser for one request, made now if there are fewer than may be; waits for one when all are taken."""
        idle, recogniser = self._idle, await self._idle.get()
        try:
            if recogniser is None:
                recogniser = await self._in_thread(lambda: Recogniser(self._model))
            yield recogniser
        finally:
            idle.put_nowait(recogniser)

    async def _in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        # The recogniser must be idle before another request gets it.
        return await run_to_end(work, self._threads)
