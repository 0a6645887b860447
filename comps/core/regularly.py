"""Blocking work done again and again for as long as a service runs, whether anybody uses it or not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio.to_thread

logger = logging.getLogger(__name__)

MOST_S, LEAST_S = 60.0, 0.05


def interval_for(age_s: float) -> float:
    """Seconds between two looks for what is older than `age_s`: half of it, a minute at most."""
    return min(MOST_S, max(LEAST_S, age_s / 2))


@asynccontextmanager
async def regularly(work: Callable[[], object], every_s: float) -> AsyncIterator[None]:
    """Run `work` on a worker thread every `every_s` seconds until the block ends; a failure is only logged."""
    task = asyncio.create_task(_again_and_again(work, every_s))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _again_and_again(work: Callable[[], object], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await anyio.to_thread.run_sync(work)
        except Exception:  # a task boundary: the next time it may work, and nobody waits for it
            logger.exception("regular work failed")
