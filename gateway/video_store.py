"""VideoStore: finished answers on disk, bounded by age, number and bytes.

A turn writes its fragments to a spool file (`<id>.part`) while they are made, so that memory does not
grow with the answer; the finished video takes its final name in one step. Ids are 128 random bits:
knowing one is the only way to a video.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from comps.core.errors import NotFoundError

_ID = re.compile(r"[0-9a-f]{32}")
_PART_AGE_S = 3600.0


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """`age_s`: seconds a video is kept. `count`, `total_bytes`: of all videos together, oldest go first."""

    age_s: float = 3600.0
    count: int = 200
    total_bytes: int = 2 * 1024**3


class VideoStore:
    """The videos under one folder, which is made when it is missing, and cleared of what is too old or too much.

    Args:
        folder: holds ``<id>.mp4``; other files in it are never touched.
        limits: what is kept.
        clock: Unix seconds; file times are compared with it.
    """

    def __init__(self, folder: Path, limits: StoreLimits, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._limits = limits
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)
        self.tidy()

    @staticmethod
    def new_id() -> str:
        """An id nobody can guess: 32 hexadecimal digits."""
        return secrets.token_hex(16)

    def spool(self, video_id: str) -> Path:
        """Where the video's fragments are written while it is made."""
        return self.folder / f"{video_id}.part"

    def unfinished(self, video_id: str) -> Path:
        """Where the finished video is put together before `commit` takes it."""
        return self.folder / f"{video_id}.part.mp4"

    def commit(self, video_id: str, finished: Path) -> Path:
        """Take a finished file into the store under its id, then make room; returns its path."""
        target = self.folder / f"{video_id}.mp4"
        os.replace(finished, target)
        self.prune(keep=target)
        return target

    def discard(self, video_id: str) -> None:
        """Remove what a turn that did not finish left behind."""
        for leftover in (self.spool(video_id), self.unfinished(video_id)):
            leftover.unlink(missing_ok=True)

    def find(self, video_id: str) -> Path:
        """The file of a video.

        Raises:
            NotFoundError: no such video, or it is older than the store keeps them.
        """
        path = self.folder / f"{video_id}.mp4"
        if not _ID.fullmatch(video_id) or not path.is_file():
            raise NotFoundError("there is no such video: it was never made here, or it is no longer kept")
        if self._clock() - path.stat().st_mtime > self._limits.age_s:
            path.unlink(missing_ok=True)
            raise NotFoundError(f"this video is gone: videos are kept for {self._limits.age_s:.0f} s")
        return path

    def tidy(self) -> None:
        """Remove what is kept no longer, and what turns that were cut off left behind."""
        self._remove_stale_parts()
        self.prune()

    def prune(self, keep: Path | None = None) -> None:
        """Remove videos that are too old, then the oldest until number and bytes fit; never `keep`."""
        now, count, total = self._clock(), 0, 0
        for modified, size, path in self._newest_first():
            count, total = count + 1, total + size
            fits = count <= self._limits.count and total <= self._limits.total_bytes
            if path != keep and (not fits or now - modified > self._limits.age_s):
                path.unlink(missing_ok=True)
                count, total = count - 1, total - size

    def _newest_first(self) -> list[tuple[float, int, Path]]:
        entries = []
        for path in self.folder.glob("*.mp4"):
            if _ID.fullmatch(path.stem):
                with suppress(FileNotFoundError):  # another gateway may share the folder
                    state = path.stat()
                    entries.append((state.st_mtime, state.st_size, path))
        return sorted(entries, reverse=True)

    def _remove_stale_parts(self) -> None:
        for path in self.folder.glob("*.part*"):
            with suppress(FileNotFoundError):  # its turn has just ended
                if self._clock() - path.stat().st_mtime > _PART_AGE_S:
                    path.unlink(missing_ok=True)
