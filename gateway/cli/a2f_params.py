"""`avatarchatbot a2f params`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from pydantic.fields import FieldInfo
from rich.console import Console
from rich.table import Table
from rich.text import Text

from comps.animation.audio2face import parameters
from comps.animation.audio2face.configuration.advanced import AdvancedConfig
from comps.animation.audio2face.configuration.deployment import DeploymentConfig
from comps.animation.audio2face.configuration.section import facts, keys_of
from gateway.cli.failure import UsageFailureError, print_json, run_plain

_GROUPS = {"face": "face", "emotion": "emotion", "shapes": "blend shapes", "solver": "solver (model file)"}
_WIDE = 110
"""Columns of a terminal from which the names in requests are shown."""


@dataclass(frozen=True, slots=True)
class Line:
    """A parameter as the table shows it; `default` has one value for each character where they differ."""

    group: str
    file: str | None
    request: str | None
    range: str
    default: Any
    unit: str
    meaning: str


def list_parameters(words: tuple[str, ...], *, as_json: bool) -> None:
    """Show the table, or those of its lines that have one of the words in their name or group."""
    run_plain(lambda: _list(words, as_json=as_json))


def _list(words: tuple[str, ...], *, as_json: bool) -> None:
    lines = [line for line in _lines() if not words or any(word.lower() in _searched(line) for word in words)]
    if not lines:
        raise UsageFailureError(f"no parameter is called '{' or '.join(words)}'")
    if as_json:
        print_json([asdict(line) for line in lines])
    else:
        _show(lines)


def _lines() -> Iterator[Line]:
    rows = sorted(parameters.TABLE, key=lambda row: list(_GROUPS).index(row.group))
    for row in rows:
        values = dict(zip(parameters.CHARACTERS, row.characters, strict=True))
        default: Any = row.characters[0] if len(set(row.characters)) == 1 else values
        each = f" for each {row.each}" if row.each else ""
        yield Line(
            _GROUPS[row.group], row.file, row.request, row.range_text(), default, row.unit, row.meaning + each
        )  # fmt: skip
    for name, model in (("deployment", DeploymentConfig), ("advanced", AdvancedConfig)):
        for path, field in keys_of(model):
            if "since" in facts(field):
                yield _line(f"{name}_config.yaml: {'.'.join(path[:-1])}", path[-1], field)


def _line(group: str, name: str, field: FieldInfo) -> Line:
    note = facts(field).get("note")
    meaning = f"{field.description} ({note})" if note else str(field.description)
    return Line(group, name, None, _range(field), field.default, "", meaning)


def _range(field: FieldInfo) -> str:
    choices = getattr(field.annotation, "__args__", ())
    if choices:
        return ", ".join(map(str, choices))
    if field.annotation is bool:
        return "true or false"
    low = next((bound for item in field.metadata for bound in [getattr(item, "ge", None)] if bound is not None), None)
    above = next((bound for item in field.metadata for bound in [getattr(item, "gt", None)] if bound is not None), None)
    high = next((bound for item in field.metadata for bound in [getattr(item, "le", None)] if bound is not None), None)
    if low is None and above is None:
        return "text"
    start = f"more than {above}" if low is None else f"{low}"
    if high is None:
        return start if low is None else f"{low} or more"
    return f"{start} to {high}"


def _searched(line: Line) -> str:
    return f"{line.group} {line.file or ''} {line.request or ''}".lower()


def _show(lines: list[Line]) -> None:
    console = Console(highlight=False)
    wide = console.width >= _WIDE
    for group, members in groupby(lines, key=lambda line: line.group):
        table = Table(title=group, title_justify="left", title_style="bold", box=None, pad_edge=False)
        table.add_column("Key", no_wrap=True, style="cyan")
        table.add_column("Range", min_width=10)
        table.add_column("Default", max_width=24, overflow="fold")
        table.add_column("Meaning")
        for line in members:
            table.add_row(*map(Text, (_name(line, wide=wide), line.range, _default(line), _meaning(line))))
        console.print(table)
        console.print()
    if any(isinstance(line.default, dict) for line in lines):
        console.print(f"Three defaults: {' / '.join(parameters.CHARACTERS)}.", style="dim")


def _name(line: Line, *, wide: bool) -> str:
    names = [name for name in (line.file, line.request if line.request != line.file else None) if name]
    return "\n".join(names) if wide else "\n".join(names[:1])


def _default(line: Line) -> str:
    if isinstance(line.default, dict):
        return " / ".join(_text(value) for value in line.default.values())
    return _text(line.default)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else '""' if value == "" else str(value)


def _meaning(line: Line) -> str:
    return f"{line.meaning} [{line.unit}]" if line.unit else line.meaning
