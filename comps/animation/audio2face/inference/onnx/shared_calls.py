"""Calls of one network from many threads: what waits while a call runs goes into the next one together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from threading import Event, Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[Any]]
Axes = Mapping[str, int]
"""The axis that counts the items, for tensors that do not count them along their first."""


class SharedCalls:
    """Runs feeds of several threads in one call, without ever waiting for company.

    Args:
        call: from named inputs to named outputs; called by one thread at a time.
        most: items of one call.
        axes: see `Axes`; for inputs and outputs.

    Of the threads that wait, the first makes the next call, for itself and for as many behind it as there is room.
    """

    def __init__(self, call: Callable[[Tensors], dict[str, NDArray[Any]]], most: int, axes: Axes | None = None) -> None:
        self._call = call
        self._most = most
        self._axes = axes or {}
        self._queue: deque[_Waiting] = deque()
        self._lock = Lock()
        self._busy = False

    def run(self, feed: Tensors, items: int) -> dict[str, NDArray[Any]]:
        """The outputs for a feed of up to `most` items; raises what the network raised for it. Blocks."""
        mine = _Waiting(feed, items)
        with self._lock:
            self._queue.append(mine)
            leads = not self._busy
            self._busy = True
        if not leads:
            mine.event.wait()
        if mine.answer is None:
            self._lead()
        if isinstance(mine.answer, BaseException):
            raise mine.answer
        assert mine.answer is not None
        return mine.answer

    def _lead(self) -> None:
        """One call for the threads at the head of the queue; the caller's is the first."""
        batch = self._take()
        try:
            self._answer(batch)
        finally:
            self._pass_on()
            for waiting in batch:
                if waiting.answer is None:
                    waiting.answer = RuntimeError("the call of the network was broken off")
                waiting.event.set()

    def _take(self) -> list[_Waiting]:
        with self._lock:
            batch = [self._queue.popleft()]
            items = batch[0].items
            while self._queue and items + self._queue[0].items <= self._most:
                items += self._queue[0].items
                batch.append(self._queue.popleft())
        return batch

    def _pass_on(self) -> None:
        with self._lock:
            self._busy = bool(self._queue)
            if self._queue:
                self._queue[0].event.set()

    def _answer(self, batch: list[_Waiting]) -> None:
        try:
            outputs = self._call(self._joined([waiting.feed for waiting in batch]))
        except Exception as error:  # noqa: BLE001 - whatever the network raises belongs to those who asked
            if len(batch) == 1:
                batch[0].answer = error
                return
            for waiting in batch:  # only who causes a fault is to have it
                self._answer([waiting])
        else:
            self._deal(batch, outputs)

    def _joined(self, feeds: list[Tensors]) -> Tensors:
        if len(feeds) == 1:
            return feeds[0]
        return {name: np.concatenate([feed[name] for feed in feeds], axis=self._axes.get(name, 0)) for name in feeds[0]}

    def _deal(self, batch: list[_Waiting], outputs: dict[str, NDArray[Any]]) -> None:
        ends = np.cumsum([waiting.items for waiting in batch])[:-1]
        parts = {name: np.split(value, ends, axis=self._axes.get(name, 0)) for name, value in outputs.items()}
        for number, waiting in enumerate(batch):
            waiting.answer = {name: pieces[number] for name, pieces in parts.items()}


class _Waiting:
    """What one thread asked for, and what came of it."""

    def __init__(self, feed: Tensors, items: int) -> None:
        self.feed = feed
        self.items = items
        self.event = Event()
        self.answer: dict[str, NDArray[Any]] | Exception | None = None
