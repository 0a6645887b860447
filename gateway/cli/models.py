"""`avatarchatbot models`: what weights there are, fetch them, check them, take them from a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from comps.core.weights import (
    Model,
    ModelFolder,
    Puller,
    PullOptions,
    State,
    WeightFile,
    find,
    import_files,
    manifest,
    models_folder,
    state_of,
)
from gateway.cli.failure import FAILED, UsageFailureError, print_json, run_plain, say_error
from gateway.cli.models_shown import Bars, ask, bars, show_list, show_terms, showing

_DONE = (State.VERIFIED, State.FIRST_USE)


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What `models pull` was asked; `agreed` stands for a yes to every licence."""

    names: tuple[str, ...]
    folder: Path | None
    mirrors: tuple[str, ...]
    agreed: bool
    as_json: bool


def list_models(path: Path | None, *, as_json: bool) -> None:
    """`models list`."""
    folder = _folder(path)
    if as_json:
        print_json([describe(model, folder) for model in manifest().values()])
    else:
        show_list(manifest().values(), folder)


def pull_models(request: PullRequest) -> None:
    """`models pull`."""
    run_plain(lambda: _pull(request))


def verify_models(names: tuple[str, ...], path: Path | None, *, as_json: bool) -> None:
    """`models verify`; ends with code 1 when a file is damaged, or one of a named model is not there."""
    _end(all_right=run_plain(lambda: _verify(names, _folder(path), as_json=as_json)))


def import_models(source: Path, path: Path | None, *, as_json: bool) -> None:
    """`models import`; ends with code 1 when a file is not what its name says, and 2 when there is none."""
    _end(all_right=run_plain(lambda: _import(source, _folder(path), as_json=as_json)))


def _end(*, all_right: bool) -> None:
    """End with a code that scripts can read; what was wrong has been shown."""
    if not all_right:
        raise typer.Exit(FAILED)


def describe(model: Model, folder: ModelFolder) -> dict[str, Any]:
    """A model as JSON: what it is, and how it stands in `folder`."""
    state = state_of(model, folder)
    return {
        "name": model.name,
        "summary": model.summary,
        "state": state.value,
        "present": state.present,
        "verified": state in _DONE,
        "size": model.size,
        "files": [_describe_file(file, folder) for file in model.files],
        "licence": asdict(model.licence),
        "engines": model.engines,
        "goes_with": model.goes_with,
    }


def _describe_file(file: WeightFile, folder: ModelFolder) -> dict[str, Any]:
    return {
        "name": file.name,
        "path": str(folder.target(file)),
        "state": folder.state(file).value,
        "size": file.size,
        "sha256": folder.expected(file),
        "documented": file.sha256 is not None,
        "urls": file.urls,
        "page": file.page,
    }


def _pull(request: PullRequest) -> None:
    folder = _folder(request.folder)
    models = [find(name) for name in dict.fromkeys(request.names)]
    lacking = [model for model in models if state_of(model, folder) not in _DONE]
    if lacking:
        _agree(lacking, folder, agreed=request.agreed)
        _fetch(lacking, folder, request.mirrors)
    _report(models, folder, as_json=request.as_json)


def _agree(models: list[Model], folder: ModelFolder, *, agreed: bool) -> None:
    """Show what will be fetched and under which terms; raises UsageFailureError without a yes."""
    show_terms(models, folder)
    if agreed:
        return
    if not sys.stdin.isatty():
        raise UsageFailureError("nobody is here to agree to these terms: add --yes if you do")
    if not ask("Do you agree to these terms?"):
        raise UsageFailureError("nothing was fetched")


def _fetch(models: list[Model], folder: ModelFolder, mirrors: tuple[str, ...]) -> None:
    try:
        with bars() as watcher, Puller(folder, PullOptions(mirrors=mirrors), watcher) as puller:
            for file in _files(models):
                puller.pull(file)
                watcher.ends()
    except KeyboardInterrupt:
        say_error("What has arrived is kept: the same command goes on from there.")
        raise


def _report(models: list[Model], folder: ModelFolder, *, as_json: bool) -> None:
    if as_json:
        print_json([describe(model, folder) for model in models])
        return
    for model in models:
        sys.stdout.write(f"{model.name} is in {folder.path} ({state_of(model, folder).value})\n")
    also = dict.fromkeys(name for model in models for name in model.goes_with)
    absent = [name for name in also if not state_of(find(name), folder).present]
    if absent:
        sys.stdout.write(f"used together with: avatarchatbot models pull {' '.join(absent)}\n")


def _verify(names: tuple[str, ...], folder: ModelFolder, *, as_json: bool) -> bool:
    models = [find(name) for name in dict.fromkeys(names)] or list(manifest().values())
    files = [file for file in _files(models) if names or folder.target(file).is_file()]
    with bars() as watcher:
        states = {file.name: _checked(file, folder, watcher) for file in files}
    if as_json:
        print_json({name: state.value for name, state in states.items()})
    else:
        _show_verified(states, folder)
    return all(state in _DONE for state in states.values())


def _checked(file: WeightFile, folder: ModelFolder, watcher: Bars) -> State:
    if not folder.target(file).is_file():
        return folder.state(file)
    watcher.checks(file.name, folder.target(file).stat().st_size)
    first = folder.expected(file) is None
    state = folder.check(file, watcher.moved)
    watcher.ends()
    if first:
        watcher.says(f"{file.name}: nobody documents its hash; it is recorded now, and later checks compare with it")
    return state


def _show_verified(states: dict[str, State], folder: ModelFolder) -> None:
    if not states:
        sys.stdout.write(f"there is no model in {folder.path}\n")
    for name, state in states.items():
        showing(state.value, name, state)


def _import(source: Path, folder: ModelFolder, *, as_json: bool) -> bool:
    if not source.is_dir():
        raise UsageFailureError(f"{source} is not a folder")
    with bars() as watcher:
        taken = import_files(source, _files(manifest().values()), folder, watcher)
    if not taken:
        raise UsageFailureError(f"{source} holds no file of a model; `avatarchatbot models list --json` names them")
    if as_json:
        print_json([{"source": str(item.source), "file": item.file.name, "state": item.state.value} for item in taken])
    else:
        right = {item.file for item in taken if item.state is not State.DAMAGED}
        show_terms([model for model in manifest().values() if right & set(model.files)], folder)
        for item in taken:
            showing(item.state.value, f"{item.source} → {item.file.name}", item.state)
    return all(item.state is not State.DAMAGED for item in taken)


def _files(models: Iterable[Model]) -> list[WeightFile]:
    """The files of all, each once, in the table's order."""
    return list(dict.fromkeys(file for model in models for file in model.files))


def _folder(path: Path | None) -> ModelFolder:
    return ModelFolder(path or models_folder())
