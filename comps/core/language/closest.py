"""The names most like one that does not exist, for errors that help."""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz import process
from rapidfuzz.distance import JaroWinkler


def closest(wanted: str, names: Iterable[str], limit: int = 5) -> list[str]:
    """Up to `limit` of `names`, the likest first; capitals do not matter, and a common beginning counts most."""
    known = list(dict.fromkeys(names))
    found = process.extract(wanted, known, scorer=JaroWinkler.normalized_similarity, processor=str.lower, limit=limit)
    return [name for name, score, _ in found if score > 0]
