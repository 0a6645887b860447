"""Making the next item while one is used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

import anyio

T = TypeVar("T")


async def one_ahead(source: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """The items of `source`, the next one being made while one is used."""
    task: asyncio.Future[T] = asyncio.ensure_future(anext(source))
    try:
        while True:
            try:
                item = await task
            except StopAsyncIteration:
                return
            task = asyncio.ensure_future(anext(source))
            yield item
    finally:
        # Whoever cancels this must find the work ended, not merely told to end.
        with anyio.CancelScope(shield=True):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()
