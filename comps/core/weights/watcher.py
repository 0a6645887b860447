"""Who is told how the fetching goes: a progress bar, a log, or nobody."""

from __future__ import annotations


class Watcher:
    """Hears everything and shows nothing; a front end overrides what it shows."""

    def begins(self, doing: str, done: int, total: int | None) -> None:
        """Work on a file begins: `done` of `total` bytes are behind it."""

    def moved(self, count: int) -> None:
        """`count` more bytes are behind it."""

    def says(self, sentence: str) -> None:
        """Something a person should know."""
