"""Who is told how the fetching goes: a progress bar, a log, or nobody."""

from __future__ import annotations


class Watcher:
    """Hears everything and shows nothing; a front end overrides what it shows."""

    def fetches(self, name: str, done: int, total: int | None) -> None:
        """A file begins to arrive, or begins again: `done` of `total` bytes are there."""

    def checks(self, name: str, total: int) -> None:
        """A file of `total` bytes is read for its hash."""

    def moved(self, count: int) -> None:
        """`count` more bytes arrived or were read."""

    def says(self, sentence: str) -> None:
        """Something a person should know."""
