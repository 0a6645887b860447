"""The names most like one that does not exist, for errors that help."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rapidfuzz import process
from rapidfuzz.distance import JaroWinkler

_LEAST = 0.85
"""Jaro-Winkler similarity from which two names look like one mistyped; unrelated ones reach 0.8."""
_alike = JaroWinkler.normalized_similarity
_SHORTEST = 3
"""Letters of a name that can be mistyped: any two of one or two letters are alike."""


def closest(wanted: str, names: Iterable[str], limit: int = 5) -> list[str]:
    """Up to `limit` of `names` that `wanted` may have been meant to be, the likest first; often none.

    Capitals and what a name has in brackets do not matter, and a common beginning counts most.
    """
    least_letters = max(_SHORTEST, (len(wanted) + 1) // 2)  # "rob" is like "robotics" only by its beginning
    if len(wanted) < _SHORTEST:
        return []
    known = [name for name in dict.fromkeys(names) if len(_plain(name)) >= least_letters]
    found = process.extract(wanted, known, scorer=_alike, processor=_plain, limit=None, score_cutoff=_LEAST)
    # of names that differ only in their brackets the one with least in them goes first
    found.sort(key=lambda match: (match[1], _alike(wanted.lower(), match[0].lower())), reverse=True)
    return [name for name, _, _ in found[:limit]]


def _plain(name: str) -> str:
    return name.partition(" (")[0].lower()


def choices(close: Collection[str], route: str) -> str:
    """The end of a sentence on an unknown name: those `close` to it, and the route that lists all."""
    return f"closest: {', '.join(close)}; {route} lists all" if close else f"{route} lists all"
