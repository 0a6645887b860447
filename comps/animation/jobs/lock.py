"""A lock that one process holds on a file and that ends with the process, however it ends."""

from __future__ import annotations

from pathlib import Path

from comps.core.errors import BusyError, EngineUnavailableError
from comps.core.file_lock import try_lock


class FileLock:
    """Held until `release`.

    Raises:
        BusyError: somebody holds it.
        EngineUnavailableError: the file system gives no locks.
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        held = False
        try:
            held = try_lock(self._file)
        except OSError as error:
            raise EngineUnavailableError(
                f"jobs cannot be kept here, as the disk they are on gives no locks ({error.strerror}): "
                "set AVATAR_ANIMATION_JOBS_DIR to a folder on one that does"
            ) from error
        finally:
            if not held:
                self._file.close()
        if not held:
            raise BusyError("another process works on this job: ask that one", retry_after_s=10)

    def release(self) -> None:
        """Let others have it; may be called again."""
        self._file.close()


def locked(path: Path) -> bool:
    """Whether somebody, this process too, holds the lock.

    Raises:
        EngineUnavailableError: the file system gives no locks.
        OSError: the file cannot be opened.
    """
    if not path.is_file():
        return False
    try:
        FileLock(path).release()
    except BusyError:
        return True
    return False
