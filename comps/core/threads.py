"""Blocking work that is never left running behind the back of who asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import TypeVar

import anyio
import anyio.to_thread

ResultT = TypeVar("ResultT")


async def run_to_end(work: Callable[[], ResultT], limiter: anyio.CapacityLimiter | None = None) -> ResultT:
    """What `work` returns, run in a worker thread; a caller that is cancelled meanwhile waits until it has ended.

    For work on what two threads must not touch at once (a decoder, an encoder, a model): it is idle whenever this
    returns or raises. `anyio.to_thread.run_sync` alone promises that for anyio's cancellation but not for
    `asyncio.Task.cancel`. A caller cancelled while it still waits for `limiter` leaves at once, and the work is not begun.
    """
    async with AsyncExitStack() as stack:
        if limiter is not None:
            await stack.enter_async_context(limiter)
        call = asyncio.ensure_future(anyio.to_thread.run_sync(work, limiter=anyio.CapacityLimiter(1)))
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            await _ended(call)
            raise


async def _ended(call: asyncio.Future[ResultT]) -> None:
    with anyio.CancelScope(shield=True):
        while not call.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([call])
    if not call.cancelled():
        call.exception()  # looked at, so that asyncio does not report it as lost
