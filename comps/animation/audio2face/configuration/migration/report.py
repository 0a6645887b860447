"""What a migration did: nothing disappears without an entry here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Warn = Literal[
    "max_sample_rate_conflict",
    "stream_number_conflict",
    "endpoint_mismatch",
    "unknown_model",
    "unidirectional_removed",
    "garbage_collector_deprecated",
]


@dataclass(frozen=True, slots=True)
class Changed:
    """A value that is another one now; `path` is that of the old file."""

    path: str
    old: Any
    new: Any


@dataclass(slots=True)
class Report:
    """Paths have their levels separated by `/`, and a file's name in front where two files could be meant.

    Attributes:
        source, target: versions.
        changed: values that are others now.
        not_migrated: paths and values that have no place in the target.
        added: paths that are new in files edited in place.
        removed: paths and values that are gone from files edited in place; those that moved included.
        moved: old path to new path, where they differ.
        defaulted: paths of the target that hold its defaults, because the old files gave nothing.
        unknown: paths and values that nobody knows and that stay where they are.
        warnings: codes, and a sentence on each.
        problems: what the service would refuse in the result.
        comments_dropped: whether comments are lost, as they are when the structure changes.
    """

    source: str = ""
    target: str = "2.0"
    changed: list[Changed] = field(default_factory=list)
    not_migrated: list[tuple[str, Any]] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    removed: list[tuple[str, Any]] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    defaulted: list[str] = field(default_factory=list)
    unknown: list[tuple[str, Any]] = field(default_factory=list)
    warnings: dict[Warn, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    comments_dropped: bool = False

    @property
    def loses(self) -> bool:
        """Whether something of the old files has no place, or was decided by the migration."""
        return bool(self.not_migrated or self.warnings)

    def warn(self, code: Warn, message: str) -> None:
        """Note a warning; several with one code become one."""
        self.warnings[code] = f"{self.warnings[code]}; {message}" if code in self.warnings else message

    def as_json(self) -> dict[str, Any]:
        """The report as data for JSON."""
        return {
            "from": self.source,
            "to": self.target,
            "changed": [{"path": one.path, "from": one.old, "to": one.new} for one in self.changed],
            "not_migrated": _entries(self.not_migrated),
            "added": self.added,
            "removed": [path for path, _ in self.removed],
            "removed_values": _entries(self.removed),
            "moved": [{"from": old, "to": new} for old, new in self.moved.items()],
            "defaulted": self.defaulted,
            "unknown": _entries(self.unknown),
            "warnings": list(self.warnings),
            "warning_texts": dict(self.warnings),
            "problems": self.problems,
            "comments_dropped": self.comments_dropped,
        }


def _entries(values: list[tuple[str, Any]]) -> list[Mapping[str, Any]]:
    return [{"path": path, "value": value} for path, value in values]
