"""OnceCache: things that take long to make, each made once, the last few kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


class OnceCache(Generic[ValueT]):
    """Keeps the last `size` values used. Threads that want the same one at once wait for one making of it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Hashable, Future[ValueT]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], ValueT]) -> ValueT:
        """The value of `key`; blocks while it is made. What `make` raises is raised for all who wait, and not kept."""
        own: Future[ValueT] = Future()
        with self._lock:
            known = self._values.setdefault(key, own)
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)
        return known.result() if known is not own else self._make(key, own, make)

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._values.clear()

    def _make(self, key: Hashable, own: Future[ValueT], make: Callable[[], ValueT]) -> ValueT:
        try:
            own.set_result(make())
        except BaseException as error:  # noqa: BLE001 - a task boundary: handed to every thread that waits for this value
            own.set_exception(error)
            with self._lock:
                if self._values.get(key) is own:
                    del self._values[key]
        return own.result()
