"""RecentGpus: the GPUs as they were a moment ago, for readers who ask often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from comps.animation.engines.liveavatar.launch.gpus import Gpu, read_gpus
from comps.core.errors import EngineUnavailableError

AGE_S = 3.0
"""Longest age of an answer, in seconds: one click's worth of questions, and less than a program takes to start."""


class RecentGpus:
    """Reads the GPUs like `read_gpus`, and remembers the last answer, also that there are none.

    May be called from any thread; those that ask at once wait for one run of the program.

    Args:
        age_s: how long an answer holds, counted from its end.
        clock: seconds that never go back.
    """

    def __init__(self, age_s: float = AGE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._age_s, self._clock = age_s, clock
        self._lock = threading.Lock()
        self._last: _Answer | None = None

    def __call__(self, program: str) -> tuple[Gpu, ...]:
        """The cards by number, at most `age_s` old; blocks. Raises EngineUnavailableError as `read_gpus` does."""
        with self._lock:
            last = self._last
            if last is None or last.program != program or self._clock() - last.at > self._age_s:
                gpus, failure = _asked(program)
                self._last = last = _Answer(program, self._clock(), gpus, failure)
        if last.failure:
            raise EngineUnavailableError(last.failure)
        return last.gpus


@dataclass(frozen=True, slots=True)
class _Answer:
    program: str
    at: float
    gpus: tuple[Gpu, ...]
    failure: str


def _asked(program: str) -> tuple[tuple[Gpu, ...], str]:
    """The cards, or why there are none."""
    try:
        return read_gpus(program), ""
    except EngineUnavailableError as error:
        return (), error.message
