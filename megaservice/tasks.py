"""Ending tasks so that nothing of them is left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import anyio


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], *, cancel: bool = True) -> None:
    """Cancel `tasks` and wait until they have cleaned up, even when the caller is being cancelled too.

    Each should be cancelled only once: a second time would cut its clean-up short, so pass
    ``cancel=False`` for tasks that are being cancelled already. What they raised is dropped.
    """
    waiting = [task for task in tasks if not task.done()]
    if cancel:
        for task in waiting:
            task.cancel()
    if waiting:
        with anyio.CancelScope(shield=True):
            await asyncio.wait(waiting)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # looked at, so that asyncio does not report it as lost
