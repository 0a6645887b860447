"""The folder the models lie in: what of them is there, and which of it has been checked.

Beside each checked file lies ``NAME.sha256`` in the form of ``sha256sum``: the hash that was found, written after
the file. Of a file whose hash nobody documents, that record of the first copy is what later checks compare with.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path

from comps.core.errors import EngineUnavailableError
from comps.core.weights.table import Model, WeightFile, find

_BLOCK = 1 << 20
_RECORD = re.compile(r"([0-9a-f]{64})\s")


class State(str, Enum):
    """How a file or a model stands; of several files the worst counts, which is the first in this order."""

    DAMAGED = "damaged"
    MISSING = "missing"
    PARTIAL = "partial"
    UNCHECKED = "unchecked"
    FIRST_USE = "first use"
    VERIFIED = "verified"

    @property
    def present(self) -> bool:
        """Whether an engine could open it."""
        return self in (State.UNCHECKED, State.FIRST_USE, State.VERIFIED)


def require(name: str, folder: Path) -> tuple[Path, ...]:
    """The paths of the model's files in `folder`, in the table's order.

    Raises:
        EngineUnavailableError: one is not there; the message names it and the command that fetches it.
    """
    paths = tuple(folder / file.name for file in find(name).files)
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        message = f"{', '.join(missing)} {verb} not in {folder}; fetch with  avatarchatbot models pull {name}"
        raise EngineUnavailableError(message)
    return paths


class ModelFolder:
    """One folder of models; nothing is created before something is put into it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def target(self, file: WeightFile) -> Path:
        """Where engines look for it."""
        return self.path / file.name

    def part(self, file: WeightFile) -> Path:
        """What of it has arrived, while it is being fetched."""
        return self.path / f"{file.name}.part"

    def expected(self, file: WeightFile) -> str | None:
        """The sha256 it must have: the documented one, else that of its first copy, else None."""
        return file.sha256 or self._recorded(file)

    def state(self, file: WeightFile) -> State:
        """How it stands, told from sizes, times and records; nothing is read through."""
        target = self.target(file)
        try:
            found = target.stat()
        except OSError:
            return State.PARTIAL if self.part(file).exists() else State.MISSING
        if file.sha256 and file.size is not None and found.st_size != file.size:
            return State.DAMAGED
        recorded = self._recorded(file)
        if recorded is None or self._record(file).stat().st_mtime_ns < found.st_mtime_ns:
            return State.UNCHECKED
        if file.sha256 is None:
            return State.FIRST_USE
        return State.VERIFIED if recorded == file.sha256 else State.DAMAGED

    def check(self, file: WeightFile, moved: Callable[[int], None] = lambda count: None) -> State:
        """How it stands after reading it through; `moved` is told the bytes read. A right or first hash is recorded.

        Raises:
            OSError: it cannot be read, or the record cannot be written.
        """
        if not self.target(file).is_file():
            return self.state(file)
        found, expected = sha256_of(self.target(file), moved), self.expected(file)
        if expected is not None and found != expected:
            return State.DAMAGED
        self.record(file, found)
        return State.FIRST_USE if file.sha256 is None else State.VERIFIED

    def record(self, file: WeightFile, sha256: str) -> None:
        """Note that the file now has this hash; a folder that cannot be written keeps no notes, and stays unchecked."""
        line = f"{sha256}  {file.name}\n"
        record = self._record(file)
        try:
            # a reader must see the old record or the new one, never half of one
            fresh = record.with_name(f".{record.name}.{os.getpid()}")
            fresh.write_text(line, encoding="ascii")
            fresh.replace(record)
        except OSError:
            return

    def _record(self, file: WeightFile) -> Path:
        return self.path / f"{file.name}.sha256"

    def _recorded(self, file: WeightFile) -> str | None:
        try:
            found = _RECORD.match(self._record(file).read_text(encoding="ascii", errors="replace").lower())
        except OSError:
            return None
        return found.group(1) if found else None


def state_of(model: Model, folder: ModelFolder) -> State:
    """How all files of a model stand together."""
    return worst(folder.state(file) for file in model.files)


def worst(states: Iterable[State]) -> State:
    """The state to report for several; some files without the others are a part of the model."""
    found = set(states)
    if State.DAMAGED not in found and State.MISSING in found and len(found) > 1:
        return State.PARTIAL
    return next(state for state in State if state in found)


def sha256_of(path: Path, moved: Callable[[int], None] = lambda count: None) -> str:
    """The sha256 of a file in hex; `moved` is told the bytes read as they are read."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            digest.update(block)
            moved(len(block))
    return digest.hexdigest()
