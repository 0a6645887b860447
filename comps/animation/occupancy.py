"""Occupancy: which work of a service had its machine to itself, and so tells what such work costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Work:
    """One answer, job or trial in the making. `alone`: no other was at any time since it began."""

    alone: bool


@dataclass(slots=True)
class Occupancy:
    """Counts what is in the making, of whatever kind."""

    works: set[Work] = field(default_factory=set)

    @contextmanager
    def work(self) -> Iterator[Work]:
        """Count what is made within the block."""
        for other in self.works:
            other.alone = False
        work = Work(alone=not self.works)
        self.works.add(work)
        try:
            yield work
        finally:
            self.works.discard(work)
