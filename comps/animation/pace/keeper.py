"""PaceKeeper: what a second of speech is expected to cost, for clients to be told before the work."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio

from comps.animation.engine import AnimationOptions
from comps.animation.occupancy import Work
from comps.animation.pace.book import PaceBook
from comps.animation.pace.circumstances import key_of
from comps.animation.pace.trial import trial_speech, tried
from comps.animation.session import AnimationSession
from comps.animation.studio import Studio
from comps.core.errors import AvatarError, BusyError, EngineUnavailableError

logger = logging.getLogger(__name__)

DEADLINE_S = 20.0
"""Seconds a trial may take."""
AGAIN_BELOW_S = 0.5
"""A trial with a lower pace is made twice, as what was loaded for the first counts too much in it."""

MEASURE_S = 90.0
"""Seconds after which whoever wants several measured is answered, whatever is known by then: they hear nothing meanwhile."""


class PaceKeeper:
    """Knows, measures and learns paces. One measurement at a time."""

    def __init__(self, studio: Studio, book: PaceBook) -> None:
        self._studio = studio
        self._book = book
        self._measuring = False
        self._problem = ""

    async def known(self, engine: str, options: AnimationOptions) -> float | None:
        """Seconds of work for a second of speech, None where it is not known yet; never waits for a trial."""
        return await self._studio.in_thread(self._book.get, self._key(engine, options))

    async def measured(self, engine: str, wanted: Sequence[AnimationOptions]) -> tuple[list[float | None], str]:
        """The same after trials of those that are not known, which count as one session; and why the engine cannot run here.

        None when the engine cannot run here or was too slow, and for engines that need more than a trial to be told:
        a program that draws whole persons takes minutes to start.

        Raises:
            BusyError: something is being measured already, or as many answers are being animated as fit.
        """
        paces = [await self.known(engine, options) for options in wanted]
        if None not in paces or self._studio.engines.table.spec(engine).capabilities.text:
            return paces, ""
        if self._measuring:
            raise BusyError(
                "what presets cost is being measured already, one after the other", retry_after_s=DEADLINE_S
            )
        with self._studio.place() as work:
            self._measuring, self._problem = True, ""
            try:
                with anyio.move_on_after(MEASURE_S):
                    for number, options in enumerate(wanted):
                        paces[number] = paces[number] or await self._measured(engine, options, work)
            finally:
                self._measuring = False
        return paces, self._problem

    async def _measured(self, engine: str, options: AnimationOptions, work: Work) -> float | None:
        """A trial's pace, kept where nothing else used the service meanwhile."""
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
            if isinstance(error, EngineUnavailableError):
                self._problem = error.message
            logger.info("the pace of %s cannot be measured: %s", engine, error.message)
            return None

    async def _trial(self, engine: str, options: AnimationOptions) -> float | None:
        studio = self._studio
        speech, rate = await studio.in_thread(trial_speech)
        made, enhancer = await studio.engines.get(engine), await studio.enhancer(options.enhancer)
        avatar = await studio.avatar("")
        session = await AnimationSession.open(made, avatar, options, rate, studio.workers, enhancer)
        return await tried(session, speech, rate, DEADLINE_S)
