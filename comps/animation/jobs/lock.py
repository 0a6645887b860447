"""A lock that one process holds on a file and that ends with the process, however it ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from comps.core.errors import BusyError

if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """Held until `release`.

    Raises:
        BusyError: somebody holds it.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        try:
            _lock(self._file)
        except OSError as error:
            self._file.close()
            raise BusyError("another process works on this job: ask that one", retry_after_s=10) from error

    def release(self) -> None:
        """Let others have it; may be called again."""
        self._file.close()


def locked(path: Path) -> bool:
    """Whether somebody, this process too, holds the lock."""
    if not path.is_file():
        return False
    try:
        FileLock(path).release()
    except BusyError:
        return True
    return False
