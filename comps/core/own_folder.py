"""A folder that one process has for itself, among others of its kind: it goes with the process, at the latest when the
next one starts."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from comps.core.file_lock import try_lock

_LOCK = "lock"
_YOUNG_S = 60.0
"""Seconds for which a folder without a lock may belong to a process that is about to lock it."""
_TRIES = 10


class OwnFolder:
    """A new folder below `parent`, made when it is first asked for and removed by `close`, or at the program's end.

    Every method blocks; all may be called from any thread.

    Args:
        parent: made when it is missing.
        prefix: what the names of such folders begin with; all else in `parent` is left alone.
    """

    def __init__(self, parent: Path, prefix: str = "") -> None:
        self._parent = parent
        self._prefix = prefix
        self._path: Path | None = None
        self._making = threading.Lock()
        self._remove: Callable[[], object] = lambda: None

    @property
    def path(self) -> Path:
        """The folder; raises OSError when it cannot be made."""
        with self._making:
            if self._path is None:
                self._parent.mkdir(parents=True, exist_ok=True)
                self._path, lock = self._made()
                self._remove = weakref.finalize(self, _remove, self._path, lock)
            return self._path

    def clear_leftovers(self) -> None:
        """Remove the folders of processes that are gone; what cannot be removed stays."""
        for folder in self._parent.glob(f"{self._prefix}*"):
            with suppress(OSError):
                if folder != self._path and folder.is_dir():
                    _remove_left(folder)

    def close(self) -> None:
        """Remove the folder with all that is in it; another one is made when it is asked for again."""
        with self._making:
            self._path = None
            self._remove()

    def _made(self) -> tuple[Path, BinaryIO]:
        for _ in range(_TRIES):
            path = Path(tempfile.mkdtemp(dir=self._parent, prefix=self._prefix))
            # Another process may take a folder that is not locked yet for a leftover.
            with suppress(FileNotFoundError):
                lock = (path / _LOCK).open("wb")
                try:
                    if try_lock(lock):
                        return path, lock
                except OSError:  # no locks here: nobody will ever think that it was left
                    return path, lock
                lock.close()
        raise OSError(f"{self._parent} gives no folder to work in")


def _remove(folder: Path, lock: BinaryIO) -> None:
    # The lock is one of its files, which not every system removes while it is open.
    lock.close()
    shutil.rmtree(folder, ignore_errors=True)


def _remove_left(folder: Path) -> None:
    """Remove a folder unless a process has it."""
    try:
        with (folder / _LOCK).open("r+b") as lock:
            left = try_lock(lock)
    except FileNotFoundError:
        left = time.time() - folder.stat().st_mtime > _YOUNG_S
    if left:
        shutil.rmtree(folder, ignore_errors=True)
