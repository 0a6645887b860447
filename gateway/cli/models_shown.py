"""How `avatarchatbot models` looks on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from comps.core.weights import Model, ModelFolder, State, Watcher, state_of
from comps.core.weights.download import megabytes

_COLOURS = {
    State.VERIFIED: "green",
    State.FIRST_USE: "green",
    State.UNCHECKED: "yellow",
    State.PARTIAL: "yellow",
    State.MISSING: "dim",
    State.DAMAGED: "bold red",
}
_MEANINGS = {
    State.FIRST_USE: "nobody documents its hash; the first copy was trusted, later ones must equal it",
    State.UNCHECKED: "there, but its hash was not compared yet: avatarchatbot models verify",
    State.PARTIAL: "some of it is there; avatarchatbot models pull goes on",
    State.DAMAGED: "not what it should be; avatarchatbot models pull replaces it",
}
_WIDE = 110
"""Columns of a terminal from which each model's summary is shown."""


def show_list(models: Iterable[Model], folder: ModelFolder) -> None:
    """The table of models, and below it what its words mean."""
    console, models = Console(), list(models)
    states = {model.name: state_of(model, folder) for model in models}
    table = Table("Model", box=None, header_style="bold", pad_edge=False)
    wide = console.width >= _WIDE
    if wide:
        table.add_column("What it is", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Licence", no_wrap=True)
    table.add_column("Needed by", no_wrap=True)
    for model in models:
        state = states[model.name]
        named = [model.name, model.summary] if wide else [model.name]
        told = [Text(state.value, _COLOURS[state]), Text(_size(model)), _licence(model)]
        table.add_row(*named, *told, ", ".join(model.engines))
    console.print(table)
    console.print(f"\nFolder: {folder.path}", highlight=False, soft_wrap=True)
    for note in _notes(models, set(states.values())):
        console.print(note, style="dim", highlight=False)


def _notes(models: list[Model], states: set[State]) -> Iterator[str]:
    if any(model.licence.use == "check" for model in models):
        yield "* parts are not for commercial use; `models pull` shows the terms first"
    yield from (f"{state.value}: {meaning}" for state, meaning in _MEANINGS.items() if state in states)


def _size(model: Model) -> str:
    return "?" if model.size is None else megabytes(model.size)


def _licence(model: Model) -> Text:
    star = " *" if model.licence.use == "check" else ""
    return Text(f"{model.licence.label}{star}", "yellow" if model.licence.use == "non-commercial" else "")


def show_terms(models: list[Model], folder: ModelFolder) -> None:
    """What will be fetched, grouped by licence, on stderr."""
    console = Console(stderr=True, highlight=False)
    by_terms = sorted(models, key=lambda model: model.licence.url)
    for licence, group in groupby(by_terms, key=lambda model: model.licence):
        for model in group:
            size = "size unknown" if model.size is None else _size(model)
            console.print(Text.assemble((model.name, "bold"), f"  {model.summary}, {size}"))
        terms = Text(f"Licence: {licence.terms}", "yellow" if licence.use != "any" else "")
        console.print(Padding(terms, (0, 0, 0, 2)))
        console.print(Text(f"  {licence.url}", "dim"), soft_wrap=True)
        console.print()
    console.print(f"Folder: {folder.path}", soft_wrap=True)


def ask(question: str) -> bool:
    """Whether the person at the terminal says yes; anything else is a no."""
    return Console(stderr=True, highlight=False).input(f"[bold]{question}[/] \\[y/N] ").strip().lower() in ("y", "yes")


def showing(word: str, sentence: str, state: State) -> None:
    """A line that begins with a coloured word."""
    Console(soft_wrap=True, highlight=False).print(Text.assemble((f"{word:<10}", _COLOURS[state]), sentence))


class _Pace(ProgressColumn):
    """Speed and remaining time of what arrives; one word for what is read for its hash."""

    def __init__(self) -> None:
        super().__init__()
        self._speed, self._remaining = TransferSpeedColumn(), TimeRemainingColumn(compact=True)

    def render(self, task: Task) -> Text:
        """The text for a task, 18 columns wide."""
        if task.fields.get("checking"):
            return Text("checking", "cyan")
        if task.finished:
            return Text("done", "green")
        return Text.assemble(self._speed.render(task), " ", self._remaining.render(task))


class Bars(Watcher):
    """One bar per file on stderr; sentences appear above the bars."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def fetches(self, name: str, done: int, total: int | None) -> None:
        """See Watcher."""
        self._show(name, done, total, checking=False)

    def checks(self, name: str, total: int) -> None:
        """See Watcher."""
        self._show(name, 0, total, checking=True)

    def moved(self, count: int) -> None:
        """See Watcher."""
        if self._task is not None:
            self._progress.advance(self._task, count)

    def says(self, sentence: str) -> None:
        """See Watcher."""
        self._progress.console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def ends(self) -> None:
        """The bar of the present file stays as it is; the next file gets its own."""
        if self._task is not None:
            self._progress.update(self._task, checking=False)
        self._task = None

    def _show(self, name: str, done: int, total: int | None, *, checking: bool) -> None:
        if self._task is None:
            self._task = self._progress.add_task(name, total=total)
        # reset, not update: bytes from an earlier run would count as speed
        self._progress.reset(self._task, completed=done, total=total, description=name, checking=checking)


@contextmanager
def bars() -> Iterator[Bars]:
    """Bars for the files that are worked on within the block; without a terminal only the sentences are printed."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), DownloadColumn(), _Pace())
    with Progress(*columns, console=console, disable=not console.is_terminal, expand=True) as progress:
        yield Bars(progress)
