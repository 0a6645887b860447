"""Work in a thread: its result, its errors, and that nothing is left running when its caller is cancelled."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress

import anyio
import pytest

from comps.core.threads import run_to_end


class Slow:
    """Work that ends when it is told to, and knows whether it runs."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.running = threading.Event(), threading.Event(), False

    def __call__(self) -> str:
        self.running = True
        self.begun.set()
        self.go_on.wait(10)
        time.sleep(0.05)
        self.running = False
        return "done"


async def test_results_and_errors_pass_through() -> None:
    assert await run_to_end(lambda: 1 + 1) == 2
    with pytest.raises(ZeroDivisionError):
        await run_to_end(lambda: 1 // 0)


@pytest.mark.parametrize("times", [1, 2])
async def test_a_caller_cancelled_by_asyncio_waits_for_the_work(times: int) -> None:
    work = Slow()
    running_afterwards = []

    async def call() -> None:
        try:
            await run_to_end(work)
        finally:
            running_afterwards.append(work.running)

    task = asyncio.create_task(call())
    await asyncio.to_thread(work.begun.wait)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0.01)
    assert not task.done()
    work.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert running_afterwards == [False]


async def test_a_caller_cancelled_by_anyio_waits_for_the_work() -> None:
    work = Slow()
    with anyio.move_on_after(0.05) as scope:
        asyncio.get_running_loop().call_later(0.2, work.go_on.set)
        await run_to_end(work)
    assert scope.cancelled_caught
    assert not work.running


async def test_a_caller_cancelled_in_the_queue_never_begins() -> None:
    limiter, work, second = anyio.CapacityLimiter(1), Slow(), Slow()
    first = asyncio.create_task(run_to_end(work, limiter))
    await asyncio.to_thread(work.begun.wait)
    queued = asyncio.create_task(run_to_end(second, limiter))
    await asyncio.sleep(0.01)
    queued.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait_for(queued, 1)
    work.go_on.set()
    assert await first == "done"
    assert not second.begun.is_set()
    assert limiter.borrowed_tokens == 0


async def test_an_error_after_the_cancellation_is_not_reported_as_lost() -> None:
    begun = threading.Event()

    def fail() -> None:
        begun.set()
        time.sleep(0.05)
        raise ValueError("late")

    task = asyncio.create_task(run_to_end(fail))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
