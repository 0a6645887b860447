"""Standby: the lighter engine that draws an answer while LiveAvatar cannot."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing

import anyio

from comps.animation.ahead import one_ahead
from comps.animation.engine import AnimationEngine, AnimationOptions, Avatar, FrameBatch, Performance
from comps.animation.engines.liveavatar.settings import LiveAvatarSettings
from comps.animation.hearing import with_phones
from comps.core.speech import SpeechChunk

logger = logging.getLogger(__name__)


class Standby:
    """The engine that `liveavatar_fallback` names, loaded beside this one."""

    def __init__(self, settings: LiveAvatarSettings) -> None:
        # Not above: the table names this engine too.
        from comps.animation.table import ENGINES

        self.name = settings.liveavatar_fallback
        self._engine: AnimationEngine = ENGINES.create(self.name, settings)

    async def load(self) -> None:
        """Load it; raises EngineUnavailableError when it cannot be had here either."""
        await self._engine.load()

    async def close(self) -> None:
        """Free what it took."""
        await self._engine.close()

    async def open(self, avatar: Avatar, options: AnimationOptions, why: str) -> Performance:
        """An answer by it, whose notes say `why`; raises what it raises."""
        logger.warning("an answer is drawn by '%s': %s", self.name, why)
        performance = await self._engine.open(avatar, options)
        return _Substitute(performance, self._engine.capabilities.needs_phones, f"drawn by '{self.name}': {why}")


class _Substitute(Performance):
    """A performance of the other engine, given the phones that this one does not ask for."""

    def __init__(self, performance: Performance, needs_phones: bool, note: str) -> None:
        self.width, self.height, self.still = performance.width, performance.height, performance.still
        self.notes = (note,)
        self._performance, self._needs_phones = performance, needs_phones

    @property
    def lost_faces(self) -> int | None:  # type: ignore[override]
        """See `Performance`."""
        return self._performance.lost_faces

    async def animate(self, speech: AsyncIterator[SpeechChunk]) -> AsyncIterator[FrameBatch]:
        """See `Performance.animate`."""
        heard = with_phones(speech, anyio.CapacityLimiter(1)) if self._needs_phones else speech
        async with aclosing(one_ahead(self._performance.animate(heard))) as batches:
            async for batch in batches:
                yield batch
