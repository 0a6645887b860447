"""One network, many sessions: their items share calls.

A GPU or a vector unit does a batch of sixteen in little more time than one item; live sessions deliver one at a time.
`SharedBatch` gathers what all sessions submit, for a few milliseconds at most, and runs it in one call.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from comps.core.errors import BusyError, EngineUnavailableError, NotReadyError

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

logger = logging.getLogger(__name__)

_GROW_AFTER = 64
"""Full batches that must succeed after an out-of-memory before a larger one is tried again."""
_OUT_OF_MEMORY = ("out of memory", "can't alloc", "not enough memory", "bad_alloc", "failed to allocate")
"""What torch, OpenVINO and ONNX Runtime say in a RuntimeError."""


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """What a `SharedBatch` has done: calls of the network, items in them, and calls that ran out of memory."""

    calls: int = 0
    items: int = 0
    out_of_memory: int = 0


@dataclass(slots=True)
class _Waiting(Generic[ItemT, ResultT]):
    item: ItemT
    since: float
    answer: asyncio.Future[ResultT]


class SharedBatch(Generic[ItemT, ResultT]):
    """Gathers items of many sessions and runs them together in one worker thread.

    Args:
        run: from a list of 1 to `max_batch` items to as many results in the same order. Called in the worker thread,
            one call at a time. An exception with several items is tried again with halves, so that only the item that
            causes it fails; so `run` must bear being called again with the same item.
        max_batch: most items of one call.
        max_wait_s: longest that a lone item waits for company, in seconds; 0 runs what is there. While a call runs,
            items wait for its end besides.
        max_pending: most items that wait at once, of all sessions.

    Sessions take turns: a batch gets one item of each session before a second of any. It lives on one event loop.
    """

    def __init__(
        self,
        run: Callable[[list[ItemT]], Sequence[ResultT]],
        max_batch: int,
        max_wait_s: float,
        *,
        max_pending: int = 1024,
    ) -> None:
        if max_batch < 1 or max_pending < 1 or not 0 <= max_wait_s < 60:
            raise ValueError("max_batch and max_pending are at least 1, max_wait_s is 0 to 60")
        self._run = run
        self._max_batch = max_batch
        self._limit = max_batch
        self._max_wait_s = max_wait_s
        self._max_pending = max_pending
        self._queues: dict[Hashable, deque[_Waiting[ItemT, ResultT]]] = {}
        self._pending = 0
        self._changed = asyncio.Event()
        self._closing = False
        self._dispatcher: asyncio.Task[None] | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="shared-batch")
        self._counts = BatchCounts()
        self._full_since_oom = 0

    async def submit(self, item: ItemT, session: Hashable = None) -> ResultT:
        """The result of `item`; whoever stops waiting has it dropped, unless its call runs already.

        Args:
            item: what `run` takes.
            session: whose item it is; those of one session keep their order.

        Raises:
            BusyError: `max_pending` items wait already.
            NotReadyError: `close` was called.
            EngineUnavailableError: there is not even memory for one item.
            Exception: whatever `run` raised for this item.
        """
        if self._closing:
            raise NotReadyError("the engine is shutting down; nothing new is taken")
        if self._pending >= self._max_pending:
            self._forget_cancelled()
        if self._pending >= self._max_pending:
            raise BusyError(f"{self._pending} frames wait for the network already", retry_after_s=1.0)
        loop = asyncio.get_running_loop()
        waiting = _Waiting[ItemT, ResultT](item, loop.time(), loop.create_future())
        self._queues.setdefault(session, deque()).append(waiting)
        self._pending += 1
        if self._dispatcher is None:
            self._dispatcher = asyncio.create_task(self._dispatch(), name="shared-batch")
        self._changed.set()
        return await waiting.answer

    @property
    def counts(self) -> BatchCounts:
        """What has been done so far."""
        return self._counts

    @property
    def limit(self) -> int:
        """Most items of the next call: `max_batch`, or less after an out-of-memory."""
        return self._limit

    async def close(self) -> None:
        """Answer all that waits, then end the thread; nothing new is taken meanwhile. May be called again."""
        self._closing = True
        self._changed.set()
        if self._dispatcher is not None:
            await self._dispatcher
        await asyncio.to_thread(self._worker.shutdown)

    async def _dispatch(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while await self._gathered(loop):
                if batch := self._take():
                    await self._answer(loop, batch)
        finally:  # whatever ended this, nobody waits for ever
            self._closing = True
            for queue in self._queues.values():
                for waiting in queue:
                    waiting.answer.cancel()

    async def _gathered(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Wait until a batch should run; False when closed and all is done."""
        while True:
            self._changed.clear()
            if self._closing:
                return self._pending > 0
            left = self._time_left(loop.time())
            if left is not None and left <= 0:
                return True
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except asyncio.TimeoutError:
                return True

    def _time_left(self, now: float) -> float | None:
        """Seconds until a batch must run, 0 when one can be filled, None when nothing waits."""
        if self._pending >= self._limit:
            self._forget_cancelled()
        if self._pending >= self._limit:
            return 0.0
        oldest = min((queue[0].since for queue in self._queues.values() if queue), default=None)
        return None if oldest is None else oldest + self._max_wait_s - now

    def _forget_cancelled(self) -> None:
        for session in list(self._queues):
            kept = deque(waiting for waiting in self._queues[session] if not waiting.answer.done())
            self._pending -= len(self._queues[session]) - len(kept)
            if kept:
                self._queues[session] = kept
            else:
                del self._queues[session]

    def _take(self) -> list[_Waiting[ItemT, ResultT]]:
        """Up to `limit` items, one of each session in turn; sessions that got their turn go to the end."""
        self._forget_cancelled()
        batch: list[_Waiting[ItemT, ResultT]] = []
        while self._queues and len(batch) < self._limit:
            session = next(iter(self._queues))
            queue = self._queues.pop(session)
            batch.append(queue.popleft())
            if queue:
                self._queues[session] = queue
        self._pending -= len(batch)
        return batch

    async def _answer(self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting[ItemT, ResultT]]) -> None:
        try:
            outcomes = await loop.run_in_executor(self._worker, self._outcomes, [waiting.item for waiting in batch])
        except asyncio.CancelledError:  # the loop is being torn down
            for waiting in batch:
                waiting.answer.cancel()
            raise
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(outcome, _Failure):
                waiting.answer.set_exception(outcome.error)
            else:
                waiting.answer.set_result(outcome)

    def _outcomes(self, items: list[ItemT]) -> list[ResultT | _Failure]:
        """Result or failure of each item, in the worker thread."""
        try:
            results: list[ResultT | _Failure] = [*self._run(items)]
        except BaseException as error:  # noqa: BLE001 - whatever a network raises belongs to its items alone
            failure = error
        else:
            self._count(len(items))
            if len(results) == len(items):
                return results
            mismatch = f"the network gave {len(results)} results for {len(items)} items"
            return [_Failure(RuntimeError(mismatch)) for _ in items]
        if is_out_of_memory(failure):
            self._shrink(len(items))
        if len(items) == 1:
            return [_Failure(_public(failure))]
        del failure  # its traceback holds the tensors of the call that failed
        half = (len(items) + 1) // 2
        return self._outcomes(items[:half]) + self._outcomes(items[half:])

    def _count(self, items: int) -> None:
        self._counts = replace(self._counts, calls=self._counts.calls + 1, items=self._counts.items + items)
        if self._limit < self._max_batch and items == self._limit:
            self._full_since_oom += 1
            if self._full_since_oom >= _GROW_AFTER:
                self._full_since_oom = 0
                self._limit = min(2 * self._limit, self._max_batch)

    def _shrink(self, items: int) -> None:
        self._counts = replace(self._counts, out_of_memory=self._counts.out_of_memory + 1)
        self._limit = max(1, min(self._limit, items // 2))
        self._full_since_oom = 0
        logger.warning("out of memory with a batch of %d; batches are at most %d now", items, self._limit)
        _empty_caches()


@dataclass(frozen=True, slots=True)
class _Failure:
    error: Exception


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of a network means that memory ran out, on the CPU or on a card."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in text for sign in _OUT_OF_MEMORY)
    )


def _public(error: BaseException) -> Exception:
    """What the one who waits for the item gets to see."""
    made: Exception
    if is_out_of_memory(error):
        made = EngineUnavailableError("there is not enough memory for one frame: free some, or take a smaller picture")
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    else:  # these would end a task or an event loop instead of telling the waiter
        made = RuntimeError(f"the network ended with {type(error).__name__}")
    made.__cause__ = error
    return made


def _empty_caches() -> None:
    """Give torch's cached blocks back to the card, if torch uses one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
