"""A lock between processes that share a folder; it ends with the process that holds it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from comps.core.file_lock import try_lock

_POLL_S = 0.1


@contextmanager
def alone(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold `path` locked; while another process holds it, `waiting` is called once and the holder awaited.

    The file stays: removing it would let two processes lock two files of one name.

    Raises:
        OSError: the folder cannot be written, or its file system knows no locks.
    """
    with path.open("ab") as file:
        if not try_lock(file):
            waiting()
            while not try_lock(file):
                time.sleep(_POLL_S)
        yield
