"""Worker: keeps the live program of one group of GPUs running, and lends it to one answer at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

from comps.animation.engines.liveavatar.failures import Failure
from comps.animation.engines.liveavatar.launch.gpus import Gpu
from comps.animation.engines.liveavatar.launch.mending import mended
from comps.animation.engines.liveavatar.launch.plan import Plan
from comps.animation.engines.liveavatar.launch.program import Program
from comps.animation.engines.liveavatar.live.attempt import Attempt, Listeners
from comps.animation.engines.liveavatar.live.channel import ChannelError, Message
from comps.animation.engines.liveavatar.live.line import Block, Line
from comps.animation.engines.liveavatar.look import Look
from comps.animation.engines.liveavatar.settings import LiveAvatarSettings
from comps.core.errors import AvatarError, EngineUnavailableError, NotReadyError

logger = logging.getLogger(__name__)

State = Literal["stopped", "starting", "ready", "restarting", "failed"]
LONGEST_BACKOFF_S = 60.0
TRY_AGAIN_S = 300.0
"""Seconds after which a program that was given up may be started once more for an answer."""
STEADY_S = 60.0
"""After so many seconds of being ready a failure counts as the first one again."""


class Worker:
    """The live program on `gpus`. It shows one look; another one means a restart, which takes minutes."""

    def __init__(self, settings: LiveAvatarSettings, program: Program, plan: Plan, gpus: Sequence[Gpu]) -> None:
        self.plan = plan
        self.look: Look | None = None
        self.state: State = "stopped"
        self.reason = ""
        self.stale = 0
        self.gpus = tuple(gpus)
        self._settings, self._program = settings, program
        self._generation = 0
        self._line: Line | None = None
        self._attempt: Attempt | None = None
        self._task: asyncio.Task[None] | None = None
        self._turning = asyncio.Lock()  # or two who start it at once would start two, of which one is lost
        self._changed = asyncio.Condition()
        self._ready_at: float | None = None
        self._given_up_at = 0.0

    @property
    def pid(self) -> int | None:
        """Number of the process at the head of the program's session, None while there is none."""
        return self._attempt.pid if self._attempt is not None else None

    @property
    def running(self) -> bool:
        """Whether a program is started, or being started, on its GPUs."""
        return self._attempt is not None

    @property
    def may_be_tried_again(self) -> bool:
        """Whether it was given up long enough ago."""
        return self.state == "failed" and time.monotonic() - self._given_up_at > TRY_AGAIN_S

    def __str__(self) -> str:
        said = f"{self.state}: {self.reason}" if self.reason and self.state != "ready" else self.state
        loading = self._attempt.state if self._attempt is not None and self.state == "starting" else ""
        return f"{said} ({loading})" if loading else said

    async def prepare(self, look: Look) -> None:
        """Have it show `look`; returns at once, `until_ready` waits. A program that was given up is started again."""
        async with self._turning:
            if self._task is None or self._task.done() or self.look != look:
                await self._end()
                self._begin(look)

    def _begin(self, look: Look) -> None:
        self.look = look
        self.state, self.reason = "starting", ""
        self._task = asyncio.create_task(self._keep(look))

    async def until_ready(self) -> None:
        """Wait until it answers.

        Raises:
            EngineUnavailableError: it was given up.
            NotReadyError: it was stopped.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self.state in ("ready", "failed", "stopped"))
        if self.state == "failed":
            raise EngineUnavailableError(f"LiveAvatar cannot run now: {self.reason}; ask another engine meanwhile")
        if self.state == "stopped":
            raise NotReadyError("LiveAvatar was stopped")

    def open(self) -> Line:
        """Begin an answer; frames of earlier ones that are still under way are dropped from now on."""
        self._generation += 1
        self._line = Line(self._generation, self._send, self._settings.liveavatar_stall_s)
        return self._line

    async def close(self, line: Line) -> None:
        """End an answer, also before its end: its speech is forgotten and its frames are dropped as they fall out."""
        if self._line is not line:
            return
        self._line = None
        self._generation += 1
        with suppress(ChannelError):  # the program has ended, and its speech with it
            await self._send(Message("flush", {"generation": self._generation}))

    async def restart(self) -> None:
        """End the program and start it again with the same look, as after a stall."""
        async with self._turning:
            look = self.look
            await self._end()
            if look is not None:
                self._begin(look)

    async def stop(self) -> None:
        """End the program; nothing of it is left afterwards. May be called again."""
        async with self._turning:
            await self._end()

    async def _end(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._set("stopped")

    async def _send(self, message: Message) -> None:
        if self._attempt is None:
            raise ChannelError("the program is not running")
        await self._attempt.send(message)

    async def _keep(self, look: Look) -> None:
        """Run the program again and again until it is given up or this task is cancelled."""
        failures = 0
        while True:
            self._ready_at = None
            await self._set("starting")
            try:
                failure = await self._run_once(look)
            except AvatarError as error:
                await self._give_up(error.message)
                return
            except Exception:  # the boundary of this task: whoever waits for the program must be told
                logger.exception("LiveAvatar's channel failed")
                await self._give_up("this service could not speak with it")
                return
            steady = self._ready_at is not None and time.monotonic() - self._ready_at > STEADY_S
            failures = 1 if steady else failures + 1
            better = mended(self.plan, failure, self.gpus, self._settings.liveavatar_remedies)
            if better is None or failures > self._settings.liveavatar_restarts:
                await self._give_up(str(failure))
                return
            self.plan = better
            await self._set("restarting", str(failure))
            logger.warning("LiveAvatar ended: %s; it is started again. %s", failure, " ".join(better.notes[-1:]))
            backoff = self._settings.liveavatar_backoff_s * 2 ** (failures - 1)
            await asyncio.sleep(min(LONGEST_BACKOFF_S, backoff))

    async def _give_up(self, reason: str) -> None:
        logger.error("LiveAvatar is given up: %s", reason)
        self._given_up_at = time.monotonic()
        await self._set("failed", reason)

    async def _run_once(self, look: Look) -> Failure:
        changes: list[asyncio.Task[None]] = []

        def ready() -> None:
            self._ready_at = time.monotonic()
            changes.append(asyncio.create_task(self._set("ready")))

        listeners = Listeners(ready, self._deliver)
        self._attempt = Attempt(self._settings, self._program, self.plan, look, listeners)
        try:
            failure = await self._attempt.run()
            logger.info("LiveAvatar said: %s", failure.line)
            return failure
        finally:
            self._attempt = None
            await asyncio.gather(*changes, return_exceptions=True)
            if self._line is not None:
                self._line.fail(EngineUnavailableError("LiveAvatar ended while it was drawing this answer: try again"))
                self._line = None

    def _deliver(self, message: Message) -> None:
        block = Block.of(message)
        if self._line is None or block.generation != self._line.generation:
            self.stale += 1
        else:
            self._line.deliver(block)

    async def _set(self, state: State, reason: str = "") -> None:
        async with self._changed:
            self.state, self.reason = state, reason
            self._changed.notify_all()
