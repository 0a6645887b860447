"""How many streams are served at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from comps.core.errors import BusyError


class Slots:
    """Places for `total` streams; `changed` is told how many are taken whenever that changes."""

    def __init__(self, total: int, changed: Callable[[int], None] = lambda _: None) -> None:
        self.total = total
        self.taken = 0
        self._changed = changed

    @contextmanager
    def one(self) -> Iterator[None]:
        """Holds a place; BusyError when none is free."""
        if self.taken >= self.total:
            raise BusyError(
                f"all {self.total} streams are in use; try again later, or raise stream_number", retry_after_s=1
            )
        self._move(1)
        try:
            yield
        finally:
            self._move(-1)

    def _move(self, by: int) -> None:
        self.taken += by
        self._changed(self.taken)
