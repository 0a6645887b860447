"""PaceKeeper: what a second of speech is expected to cost, for clients to be told before the work."""

from __future__ import annotations

import asyncio
import logging

from comps.animation.engine import AnimationOptions
from comps.animation.pace.book import PaceBook
from comps.animation.pace.circumstances import key_of
from comps.animation.pace.trial import trial_speech, tried
from comps.animation.session import AnimationSession
from comps.animation.studio import Studio
from comps.core.errors import AvatarError

logger = logging.getLogger(__name__)

DEADLINE_S = 20.0
"""Seconds a trial may take."""
AGAIN_BELOW_S = 0.5
"""A trial with a lower pace is made twice, as what was loaded for the first counts too much in it."""


class PaceKeeper:
    """Knows, measures and learns paces. One trial at a time."""

    def __init__(self, studio: Studio, book: PaceBook) -> None:
        self._studio = studio
        self._book = book
        self._measuring = asyncio.Lock()

    async def known(self, engine: str, options: AnimationOptions) -> float | None:
        """Seconds of work for a second of speech, None where it is not known yet; never waits for a trial."""
        return await self._studio.in_thread(self._book.get, self._key(engine, options))

    async def measured(self, engine: str, options: AnimationOptions) -> float | None:
        """The same after a trial, where it is not known; None when the engine cannot run here, or was too slow."""
        async with self._measuring:
            pace = await self.known(engine, options)
            if pace is None:
                with self._studio.occupancy.work() as work:
                    pace = await self._tried(engine, options)
                if pace is not None and work.alone:
                    await self._studio.in_thread(self._book.put, self._key(engine, options), pace)
            return pace

    async def learn(self, engine: str, options: AnimationOptions, pace: float) -> None:
        """Correct what is expected by what happened."""
        await self._studio.in_thread(self._book.learn, self._key(engine, options), pace)

    def _key(self, engine: str, options: AnimationOptions) -> str:
        return key_of(engine, options, self._studio.settings)

    async def _tried(self, engine: str, options: AnimationOptions) -> float | None:
        try:
            pace = await self._trial(engine, options)
            return await self._trial(engine, options) if pace is not None and pace < AGAIN_BELOW_S else pace
        except AvatarError as error:
            logger.info("the pace of %s cannot be measured: %s", engine, error.message)
            return None

    async def _trial(self, engine: str, options: AnimationOptions) -> float | None:
        studio = self._studio
        speech, rate = await studio.in_thread(trial_speech)
        made, enhancer = await studio.engines.get(engine), await studio.enhancer(options.enhancer)
        avatar = await studio.avatar("")
        session = await AnimationSession.open(made, avatar, options, rate, studio.workers, enhancer)
        return await tried(session, speech, rate, DEADLINE_S)
