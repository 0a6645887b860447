"""Things that run beside one another for as long as one of them does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def beside(main: Coroutine[Any, Any, None], *others: Coroutine[Any, Any, None]) -> None:
    """Runs all; returns when `main` has ended, raises what any of them raises. Nothing is left running."""
    tasks = [asyncio.ensure_future(work) for work in (main, *others)]
    pending = set(tasks)
    try:
        while not tasks[0].done():
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=tasks.index):
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
