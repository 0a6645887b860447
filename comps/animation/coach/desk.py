"""CoachDesk: lets a few requests at a time ask the coach, on threads that serve nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio

from comps.animation.coach.coach import Coach
from comps.animation.engines.liveavatar.launch.recent import RecentGpus
from comps.core.errors import BusyError
from comps.core.threads import run_to_end

T = TypeVar("T")

AT_ONCE, WAITING = 2, 8
"""Requests that are looked at at once, and those that may wait; each holds up to a body's size of material."""


class CoachDesk:
    """The coach of one service, and the GPUs as it sees them."""

    def __init__(self, coach: Coach) -> None:
        self.coach = coach
        self.gpus = RecentGpus()
        self._asked = 0
        self._limiter = anyio.CapacityLimiter(AT_ONCE)

    async def work(self, ask: Callable[[], T]) -> T:
        """What `ask` returns, run on a worker thread; raises BusyError when too many are waiting."""
        if self._asked >= AT_ONCE + WAITING:
            raise BusyError(f"{self._asked} checks are waiting, which is as many as fit", retry_after_s=2)
        self._asked += 1
        try:
            return await run_to_end(ask, self._limiter)
        finally:
            self._asked -= 1
