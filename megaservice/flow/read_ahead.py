"""Work on the next item while the results of this one are still being taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TypeVar

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from megaservice.tasks import end_tasks

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_RESULTS_AHEAD = 64


async def read_ahead(
    items: AsyncIterator[ItemT], work: Callable[[ItemT], AsyncGenerator[ResultT, None]], ahead: int = 1
) -> AsyncGenerator[tuple[ItemT, ResultT], None]:
    """Yield ``(item, result)`` in order; `work` runs for one item at a time, at most `ahead` items early.

    What `work` or `items` raises comes out here, after the results before it. Closing stops the work.
    """
    sender, receiver = anyio.create_memory_object_stream[tuple[ItemT, ResultT]](_RESULTS_AHEAD)
    permits = asyncio.Semaphore(ahead + 1)
    task = asyncio.create_task(_work_through(items, work, sender, permits))
    current: ItemT | None = None
    try:
        async for item, result in receiver:
            if current is not None and item is not current:
                permits.release()
            current = item
            yield item, result
        await task
    finally:
        receiver.close()
        sender.close()
        await end_tasks([task])


async def _work_through(
    items: AsyncIterator[ItemT],
    work: Callable[[ItemT], AsyncGenerator[ResultT, None]],
    sender: MemoryObjectSendStream[tuple[ItemT, ResultT]],
    permits: asyncio.Semaphore,
) -> None:
    with sender:
        async for item in items:
            await permits.acquire()
            empty = True
            async with aclosing(work(item)) as results:
                async for result in results:
                    empty = False
                    await sender.send((item, result))
            if empty:
                permits.release()
