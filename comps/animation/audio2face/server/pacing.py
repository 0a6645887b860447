"""When the next frame of a stream may leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

_SLACK_S = 0.05
"""How far a stream that was held up may hurry to be on time again."""


class Pace:
    """Lets `fps` frames a second leave, by the clock: what one sleep takes too long, the next takes less.

    The first frame never waits. A stream that had no frames to send begins anew instead of sending those that it
    missed all at once. `fps` None is burst mode: no frame waits.
    """

    def __init__(
        self,
        fps: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval = 1 / fps if fps else 0.0
        self._clock = clock
        self._sleep = sleep
        self._due = -float("inf")

    async def turn(self) -> None:
        """Returns when the next frame is due."""
        if not self._interval:
            return
        now = self._clock()
        self._due = max(self._due + self._interval, now - _SLACK_S) if self._due > -float("inf") else now
        if self._due > now:
            await self._sleep(self._due - now)
