"""Taking files of weights from a folder that a person filled: an unpacked archive, a stick, another machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from comps.core.errors import BadRequestError, EngineUnavailableError
from comps.core.weights.folder import ModelFolder, State, sha256_of
from comps.core.weights.lock import alone
from comps.core.weights.part import Origin, Part
from comps.core.weights.table import WeightFile, documented
from comps.core.weights.watcher import Watcher

_MOST_FILES = 20_000
"""Files looked at in the folder, at most: one given by mistake ends soon."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file of the folder: `state` is DAMAGED when it is not what its name says."""

    source: Path
    file: WeightFile
    state: State


def import_files(
    source: Path, known: Iterable[WeightFile], folder: ModelFolder, watcher: Watcher | None = None
) -> list[Imported]:
    """Copy every file of `known` that lies in `source` or below, recognised by its hash or its name.

    A file that has the documented hash of another is taken as that other one. What has a known name but not its
    hash is not taken. A file whose hash is not documented is taken by name, and its hash recorded.

    Raises:
        BadRequestError: `source` is no folder.
        EngineUnavailableError: a file cannot be read or kept.
    """
    if not source.is_dir():
        raise BadRequestError(f"{source} is not a folder")
    wanted = list(dict.fromkeys(known))
    watcher = watcher or Watcher()
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        found = (_import(path, wanted, folder, watcher) for path in _candidates(source, wanted, folder))
        return [item for item in found if item is not None]
    except OSError as error:
        named = f" ({error.filename})" if error.filename else ""
        message = f"files of {source} could not be taken into {folder.path}: {error.strerror or error}{named}"
        raise EngineUnavailableError(message) from error


def _candidates(source: Path, wanted: list[WeightFile], folder: ModelFolder) -> Iterator[Path]:
    """Files that may be one of `wanted`: by name, or by the size of one whose hash is documented."""
    names = {name for file in wanted for name in (file.name, *file.also)}
    sizes = {file.size for file in wanted if file.sha256}
    own = folder.path.resolve()
    for path in sorted(islice(source.rglob("*"), _MOST_FILES)):
        if path.is_file() and path.resolve().parent != own and (path.name in names or path.stat().st_size in sizes):
            yield path


def _import(path: Path, wanted: list[WeightFile], folder: ModelFolder, watcher: Watcher) -> Imported | None:
    watcher.checks(path.name, path.stat().st_size)
    sha256 = sha256_of(path, watcher.moved)
    file = _recognised(path, sha256, wanted)
    if file is None:
        return None
    expected = folder.expected(file)
    if expected not in (None, sha256):
        return Imported(path, file, State.DAMAGED)
    with alone(folder.path / f".{file.name}.lock"):
        if folder.state(file) not in (State.VERIFIED, State.FIRST_USE):
            _copy(path, file, sha256, folder)
    return Imported(path, file, folder.state(file))


def _recognised(path: Path, sha256: str, wanted: list[WeightFile]) -> WeightFile | None:
    by_hash = documented(sha256)
    if by_hash in wanted:
        return by_hash
    return next((file for file in wanted if path.name in (file.name, *file.also)), None)


def _copy(path: Path, file: WeightFile, sha256: str, folder: ModelFolder) -> None:
    part = Part(folder.part(file))
    part.starts(Origin(path.as_uri() if path.is_absolute() else str(path), "", path.stat().st_size))
    try:
        shutil.copyfile(path, part.path)
        part.becomes(folder.target(file))
    except BaseException:
        part.clear()
        raise
    folder.record(file, sha256)
