"""Signals that end a program end a command as Ctrl-C does: what it began is taken back."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_USUAL = (signal.SIG_DFL, signal.default_int_handler)
_BASE = 128


class Ending:
    """The signal that ended a block, as the exit code that shells expect of it."""

    def __init__(self) -> None:
        self.code = _BASE + signal.SIGINT
        self._cancel: Callable[[], object] | None = None

    def by(self, number: int, _: Any) -> None:
        """The handler of signals: the first one lets a coroutine end in order, another one does not wait for that."""
        self.code = _BASE + number
        cancel, self._cancel = self._cancel, None
        if cancel is None:
            raise KeyboardInterrupt
        cancel()

    def run(self, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Run a coroutine, cancelled by a signal; raises KeyboardInterrupt then."""

        async def main() -> ResultT:
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            if task is not None:
                self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
            try:
                return await work()
            finally:
                self._cancel = None

        try:
            return asyncio.run(main())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


@contextmanager
def ended_by_signals() -> Iterator[Ending]:
    """Raise KeyboardInterrupt in the block on SIGTERM and SIGHUP too; those that are ignored or handled stay so."""
    ending = Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: handler for number in numbers if (handler := signal.getsignal(number)) in _USUAL}
    for number in before:
        signal.signal(number, ending.by)
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
