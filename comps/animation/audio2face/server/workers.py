"""Threads that compute for all streams, a turn at a time, so that the event loop never does."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from typing import Protocol

from comps.core.errors import NotReadyError

_TOGETHER_S = 0.004
"""Results of several turns reach the loop together if they are ready within this time: waking it costs."""


class Job(Protocol):
    """Something to compute in turns. Only one of `work` and `delivered` runs at a time."""

    def work(self) -> None:
        """One turn, in a worker thread; raises nothing."""

    def delivered(self) -> None:
        """The turn is over; runs in the event loop."""


class Workers:
    """A thread for each core; jobs take turns in the order in which they come.

    Made in the event loop that the results go to. Threads end with `close`.
    """

    def __init__(self, threads: int = 0) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Job] = deque()
        self._wanted = threading.Condition()
        self._closed = False
        count = threads or cores()
        self._threads = [
            threading.Thread(target=self._run, name=f"audio2face-{number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        """Gives a job one turn; it must not have another outstanding. NotReadyError once closed."""
        with self._wanted:
            if self._closed:
                raise NotReadyError("the service is shutting down")
            self._ready.append(job)
            self._wanted.notify()

    async def close(self) -> None:
        """Ends the threads after the turns that they are in; jobs that still wait are not begun."""
        with self._wanted:
            self._closed = True
            self._ready.clear()
            self._wanted.notify_all()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _run(self) -> None:
        done: list[Job] = []
        since = 0.0
        while (job := self._next(wait=not done)) is not None or done:
            if job is not None:
                since = since if done else time.monotonic()
                job.work()
                done.append(job)
            if job is None or time.monotonic() - since > _TOGETHER_S:
                self._deliver(done)
                done = []

    def _next(self, *, wait: bool) -> Job | None:
        """The job whose turn it is; None when there is none, after waiting when the threads are to end."""
        with self._wanted:
            while wait and not self._ready and not self._closed:
                self._wanted.wait()
            return self._ready.popleft() if self._ready else None

    def _deliver(self, jobs: list[Job]) -> None:
        def deliver() -> None:
            for job in jobs:
                job.delivered()

        try:
            self._loop.call_soon_threadsafe(deliver)
        except RuntimeError:  # the loop has closed: nobody is left to tell
            return


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
