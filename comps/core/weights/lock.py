"""A lock between processes that share a folder; it ends with the process that holds it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_S = 0.1

if sys.platform == "win32":
    import msvcrt

    def _try(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def alone(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold `path` locked; while another process holds it, `waiting` is called once and the holder awaited.

    The file stays: removing it would let two processes lock two files of one name.

    Raises:
        OSError: the folder cannot be written, or its file system knows no locks.
    """
    with path.open("ab") as file:
        if not _try(file.fileno()):
            waiting()
            while not _try(file.fileno()):
                time.sleep(_POLL_S)
        yield
