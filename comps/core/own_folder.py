"""A folder that one process has for itself, among others of its kind: it goes with the process, at the latest when the
next one starts."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from comps.core.file_lock import try_lock

MARK = ".avatarchatbot-lock"
"""The file that its process locks in such a folder. What holds none is not ours and is never removed, whatever its name."""
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
        """Remove the folders of processes that are gone; what holds no `MARK` or cannot be removed stays."""
        for folder in self._parent.glob(f"{self._prefix}*"):
            with suppress(OSError):
                if folder != self._path and _is_marked(folder):
                    _remove_left(folder)

    def close(self) -> None:
        """Remove the folder with all that is in it; another one is made when it is asked for again."""
        with self._making:
            self._path = None
            self._remove()

    def _made(self) -> tuple[Path, BinaryIO]:
        for _ in range(_TRIES):
            path = Path(tempfile.mkdtemp(dir=self._parent, prefix=self._prefix))
            # Another process may take a folder that is marked but not locked yet for a leftover.
            with suppress(FileNotFoundError):
                lock = (path / MARK).open("wb")
                try:
                    mine = try_lock(lock)
                except OSError:  # no locks here: nobody will ever think that it was left
                    mine = True
                if mine and _is_still(path / MARK, lock):
                    return path, lock
                lock.close()
        raise OSError(f"{self._parent} gives no folder to work in")


def _remove(folder: Path, lock: BinaryIO) -> None:
    """Remove a folder whose lock is held, and let go of the lock."""
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()
    # The lock is one of its files, which not every system removes while it is open.
    shutil.rmtree(folder, ignore_errors=True)


def _remove_left(folder: Path) -> None:
    """Remove a marked folder unless a process has it."""
    lock = (folder / MARK).open("r+b")
    try:
        if try_lock(lock):
            _remove(folder, lock)
    finally:
        lock.close()


def _is_marked(folder: Path) -> bool:
    """Whether it is a folder of this user with the mark in it, neither of them a link. Raises OSError where there is none."""
    about, mark = folder.lstat(), (folder / MARK).lstat()
    return stat.S_ISDIR(about.st_mode) and stat.S_ISREG(mark.st_mode) and _is_mine(about) and _is_mine(mark)


def _is_mine(about: os.stat_result) -> bool:
    return sys.platform == "win32" or about.st_uid == os.getuid()


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Whether the open file is still the one at `path`."""
    if sys.platform == "win32":  # where no open file can be removed
        return True
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False
