"""The folder of finished videos, which never holds more or older ones than it may."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """`max_files` newest videos are kept, for at most `max_age_s` seconds. Every method blocks."""

    folder: Path
    max_files: int
    max_age_s: float

    def reserve(self) -> tuple[Path, Path]:
        """Names for one video, used by nobody else: where its fragments go, and the finished file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"answer-{uuid4().hex}"
        return self.folder / f".{name}.part", self.folder / f"{name}.mp4"

    def prune(self) -> None:
        """Delete what is too old or too much; files that are not ours are left alone."""
        now = time.time()
        aged = sorted(((_age(path, now), path) for path in self.folder.glob("answer-*.mp4")), key=lambda row: row[0])
        for index, (age, path) in enumerate(aged):
            if index >= self.max_files or age > self.max_age_s:
                path.unlink(missing_ok=True)
        for path in self.folder.glob(".answer-*.part"):
            if _age(path, now) > self.max_age_s:
                path.unlink(missing_ok=True)


def _age(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
