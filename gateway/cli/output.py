"""Files the command line writes: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gateway.cli.failure import UsageFailureError


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its name when the block ends well and vanishes when it does not.

    Raises:
        UsageFailureError: the folder does not exist or cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UsageFailureError(f"cannot write {path}: {error.strerror}") from error
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(part, 0o666 & ~_umask())
        os.replace(part, path)
    except OSError as error:
        raise UsageFailureError(f"cannot write {path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Refuse an output path before any work is done for it; raises UsageFailureError."""
    if path.is_dir():
        raise UsageFailureError(f"{path} is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise UsageFailureError(f"the folder {path.parent} does not exist")
    if not os.access(path.parent, os.W_OK):
        raise UsageFailureError(f"the folder {path.parent} cannot be written")


def read_input(path: Path) -> bytes:
    """The bytes of a file the user named; raises UsageFailureError when there are none to be had."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageFailureError(f"there is no file {path}") from error
    except IsADirectoryError as error:
        raise UsageFailureError(f"{path} is a folder, not a file") from error
    except OSError as error:
        raise UsageFailureError(f"cannot read {path}: {error.strerror}") from error
    if not data:
        raise UsageFailureError(f"{path} is empty")
    return data


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
