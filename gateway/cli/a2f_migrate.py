"""`avatarchatbot a2f migrate`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from gateway.cli.failure import FAILED, FailureError, UsageFailureError, print_json, run_plain
from gateway.cli.output import written_whole

if TYPE_CHECKING:
    from comps.animation.audio2face.configuration.migration import Migration, Report
    from comps.animation.audio2face.configuration.migration.migrate import From, To

_MOST = 12
"""Entries of one kind that the summary lists; --json has them all."""


@dataclass(frozen=True, slots=True)
class Request:
    """What `a2f migrate` was asked."""

    files: tuple[Path, ...]
    source: From
    target: To
    output: Path | None
    character: str
    check: bool = False
    diff: bool = False
    strict: bool = False
    force: bool = False
    as_json: bool = False


def migrate_files(request: Request) -> None:
    """Migrate, show, write; ends with code 1 when `--check` finds work or the result would be refused."""
    run_plain(lambda: _migrate(request))


def _migrate(request: Request) -> None:
    from comps.animation.audio2face.configuration.document import read_document
    from comps.animation.audio2face.configuration.migration import Options, migrate

    inputs = _inputs(request.files)
    options = Options(request.source, request.target, request.character)
    migration = migrate([read_document(path) for path in inputs], options)
    report = migration.report
    if request.strict and report.loses:
        _show(report, migration, request)
        raise FailureError("nothing was written: --strict allows no value without a place and no warning")
    dry = request.check or request.diff
    folder = None if dry else _write(migration, inputs, request)
    _show(report, migration, request)
    if folder is not None and not request.as_json:
        Console(soft_wrap=True, highlight=False).print(Text.assemble("written to ", (str(folder), "bold")))
    if request.check and (migration.needed or report.problems):
        raise typer.Exit(FAILED)


def _inputs(paths: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        found += (
            sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml")) if path.is_dir() else [path]
        )
    if not found:
        raise UsageFailureError(f"there is no .yaml file in {', '.join(map(str, paths))}")
    names = [path.name for path in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageFailureError(f"two files are called {twice}; their results would have one name")
    return found


def _write(migration: Migration, inputs: list[Path], request: Request) -> Path:
    folder = request.output or next(
        place for place in (Path(f"output_{index:06d}") for index in count(1)) if not place.exists()
    )
    targets = [(folder / output.name, output.text) for output in migration.outputs]
    for target, _ in targets:
        if any(target.exists() and target.samefile(path) for path in inputs):
            raise UsageFailureError(
                f"{target} is one of the files to migrate, which stay as they are: choose another -o"
            )
        if target.exists() and not request.force:
            raise UsageFailureError(f"{target} exists already; --force replaces it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageFailureError(f"cannot make the folder {folder}: {error.strerror}") from error
    for target, text in targets:
        with written_whole(target) as file:
            file.write(text.encode())
    return folder


def _show(report: Report, migration: Migration, request: Request) -> None:
    if request.as_json:
        print_json({**report.as_json(), "needed": migration.needed, "files": [one.name for one in migration.outputs]})
        return
    console = Console(highlight=False, soft_wrap=True)
    if request.diff:
        _show_diff(migration, console)
    _summary(report, migration, console)


def _show_diff(migration: Migration, console: Console) -> None:
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for output in migration.outputs:
        old, new = output.base.splitlines(), output.text.splitlines()
        for line in difflib.unified_diff(old, new, output.base_name, output.name, lineterm=""):
            heading = line.startswith(("+++", "---"))
            console.print(Text(line, "bold" if heading else colours.get(line[:1], "")))


def _summary(report: Report, migration: Migration, console: Console) -> None:
    if not migration.needed:
        console.print(Text("These are files of 2.0; there is nothing to do.", "green"))
    else:
        console.print(Text(f"{report.source} → {report.target}", "bold"))
    groups: list[tuple[str, str, list[str]]] = [
        ("changed", "yellow", [f"{one.path}: {one.old} → {one.new}" for one in report.changed]),
        ("no place in it", "red", [f"{path}: {value}" for path, value in report.not_migrated]),
        ("removed", "yellow", [f"{path}: {old}" for path, old in report.removed if path not in report.moved]),
        ("moved", "", [f"{old} → {new}" for old, new in report.moved.items()]),
        ("added", "green", report.added),
        ("by default", "dim", report.defaulted),
        ("unknown, kept", "yellow", [f"{path}: {value}" for path, value in report.unknown]),
        ("warning", "yellow", list(report.warnings.values())),
        ("would be refused", "bold red", report.problems),
    ]
    for word, colour, lines in groups:
        _group(console, word, colour, lines)
    if report.comments_dropped:
        console.print(Text("Comments are dropped: the files of 1.0 have another structure.", "yellow"))


def _group(console: Console, word: str, colour: str, lines: list[str]) -> None:
    if not lines:
        return
    console.print(Text(f"{word} ({len(lines)})", colour or "bold"))
    for line in lines[:_MOST]:
        console.print(Text(f"  {line}"))
    if len(lines) > _MOST:
        console.print(Text(f"  and {len(lines) - _MOST} more; --json lists them", "dim"))
