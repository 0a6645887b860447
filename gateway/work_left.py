"""How much of an answer is made, and how long the rest will take, from the events of its turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from megaservice.flow.events import Event, MediaFragment, SpeechMeasured

EVERY_S = 0.25
"""Seconds between two reports, but for the last."""
ENOUGH_S, ENOUGH_SHARE = 2.0, 0.25
"""Seconds of video from which the speed is told, or this share of a shorter one."""


class WorkLeft:
    """Watches one turn.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._total_s: float | None = None
        self._done_s = 0.0
        self._first: tuple[float, float] | None = None
        self._told = -EVERY_S

    def note(self, event: Event) -> dict[str, Any] | None:
        """What to tell after `event`, if anything.

        `done_s` and `total_s` are seconds of video, `remaining_s` of work; the last two are None while nothing can be
        told: of the total before all is spoken, of the rest before there is enough to tell it from.
        """
        if isinstance(event, SpeechMeasured):
            self._total_s = event.duration
            return self._report()
        if not isinstance(event, MediaFragment):
            return None
        self._done_s = event.start + event.duration
        self._first = self._first or (self._clock(), self._done_s)
        complete = self._total_s is not None and self._done_s >= self._total_s
        return self._report() if complete or self._clock() - self._told >= EVERY_S else None

    def _report(self) -> dict[str, Any]:
        self._told = self._clock()
        total, left = self._total_s, self._left_s()
        return {
            "done_s": round(self._done_s, 2),
            "total_s": None if total is None else round(total, 2),
            "remaining_s": None if left is None else round(left, 1),
        }

    def _left_s(self) -> float | None:
        """By the speed since the first fragment, whose own time was mostly waiting for the first words."""
        if self._total_s is None or self._first is None:
            return None
        left, made = max(0.0, self._total_s - self._done_s), self._done_s - self._first[1]
        if not left:
            return 0.0
        if made < min(ENOUGH_S, ENOUGH_SHARE * self._total_s):
            return None
        return left * (self._clock() - self._first[0]) / made
