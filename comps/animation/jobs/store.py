"""JobStore: jobs on disk, each a folder with its speech, its avatar and the segments that are finished.

Ids are 128 random bits: who knows one may read, stop and remove its job, so that only who may read the folder gets a list.
A process that works on a job holds a lock on a file in its folder, which ends with the process however it ends.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from comps.animation.engine import Avatar
from comps.animation.jobs.job import INTERRUPTED, Job
from comps.animation.jobs.lock import locked
from comps.core.errors import BusyError, NotFoundError
from comps.core.framing import pack_speech, parse_speech, unpack, unpack_stream
from comps.core.media.segments import counted
from comps.core.speech import SpeechChunk
from comps.core.threads import run_to_end

if TYPE_CHECKING:
    from comps.animation.settings import AnimationSettings

logger = logging.getLogger(__name__)

_ID = re.compile(r"[0-9a-f]{32}")
_JOB, _SPEECH, _VIDEO, _LOCK = "job.json", "speech.bin", "video.mp4", "lock"
_PIECE_BYTES = 1 << 18
DRAFT_AGE_S = 3600.0
"""Seconds after which a folder that never became a job, or no longer is one, was left by a process that is gone."""
YOUNG_S = 60.0
"""Seconds for which a job that is not finished makes no room: one that was just made may be about to begin."""
_FILES = {"image": "portrait.png", "rig": "rig.json", "video": "film.mp4"}


@dataclass(frozen=True, slots=True)
class JobLimits:
    """`kept` jobs of at most `total_bytes` together, each for `age_s` seconds after its last change."""

    kept: int
    total_bytes: int
    age_s: float


class JobStore:
    """The jobs under `folder`, which is made when the first one is. Every method blocks but `speech`."""

    def __init__(self, folder: Path, limits: JobLimits) -> None:
        self._folder = folder
        self._limits = limits

    def create(self, job: Job, speech: Iterable[SpeechChunk], avatar: Avatar) -> Job:
        """Keep a new job, under `new_id` where it has none; its folder appears at once and whole.

        Raises:
            BusyError: as many jobs as fit are kept.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make_room()
        job = replace(job, id=job.id or new_id())
        draft = self._folder / f".{job.id}"
        draft.mkdir()
        try:
            with (draft / _SPEECH).open("wb") as file:
                for chunk in speech:
                    file.write(pack_speech(chunk))
            for part, name in _FILES.items():
                source: Path | None = getattr(avatar, part)
                if source is not None:
                    shutil.copyfile(source, draft / name)
            (draft / "name").write_text(avatar.name, encoding="utf-8")
            (draft / _JOB).write_bytes(job.to_json())
            self._require_bytes()
            draft.rename(self._folder / job.id)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return job

    def load(self, job_id: str) -> Job:
        """A job; one that was being worked on by a process that is gone has failed.

        Raises:
            NotFoundError: there is none of this id, or it is no longer kept.
        """
        folder = self._find(job_id)
        try:
            job = Job.from_json((folder / _JOB).read_bytes())
        except (OSError, ValueError) as error:
            logger.warning("job %s cannot be read: %s", job_id, error)
            raise _absent() from error
        if job.state in ("queued", "running") and not locked(folder / _LOCK):
            return replace(job, state="failed", error=INTERRUPTED)
        return job

    def newest(self) -> list[Job]:
        """The jobs, the newest first, at most as many as are kept; those that cannot be read are left out."""
        jobs = []
        for folder in self._folders():
            with suppress(NotFoundError):
                jobs.append(self.load(folder.name))
        return sorted(jobs, key=lambda job: job.created, reverse=True)[: self._limits.kept]

    def save(self, job: Job) -> None:
        """Write what became of a job, in one step."""
        folder = self._find(job.id)
        draft = folder / f".{_JOB}.part"
        draft.write_bytes(job.to_json())
        draft.replace(folder / _JOB)

    def lock_of(self, job_id: str) -> Path:
        """The file that a process which works on the job locks."""
        return self._find(job_id) / _LOCK

    def avatar(self, job: Job) -> Avatar:
        """The avatar as it was when the job was made."""
        folder = self._find(job.id)
        film = folder / _FILES["video"]
        name = (folder / "name").read_text(encoding="utf-8")
        image, rig = folder / _FILES["image"], folder / _FILES["rig"]
        return Avatar(f"job-{job.id}", name, image, rig, film if film.is_file() else None)

    async def speech(self, job: Job) -> AsyncGenerator[SpeechChunk, None]:
        """The speech from its beginning, read as it is used."""
        # Opened here, as a file that a thread opened would be lost when this is cancelled meanwhile.
        with (self._find(job.id) / _SPEECH).open("rb") as file:

            async def pieces() -> AsyncGenerator[bytes, None]:
                while piece := await run_to_end(partial(file.read, _PIECE_BYTES)):
                    yield piece

            async with aclosing(pieces()) as parts, aclosing(unpack_stream(parts)) as messages:
                async for header, payload in messages:
                    yield parse_speech(header, payload)

    def sound(self, job: Job) -> Iterator[NDArray[np.int16]]:
        """The samples of the speech, int16 `[n]` in pieces."""
        with (self._find(job.id) / _SPEECH).open("rb") as file:
            while lengths := file.read(8):
                size = int.from_bytes(lengths[:4], "little") + int.from_bytes(lengths[4:], "little")
                yield parse_speech(*unpack(lengths + file.read(size))).pcm

    def segment(self, job: Job, number: int) -> Path:
        """Where segment `number` is, or will be."""
        return self._find(job.id) / f"{number:05}.mp4"

    def finished(self, job: Job) -> int:
        """Segments that are there and need not be made again, counted from the first."""
        if self.video(job).is_file():
            return job.segments
        folder = self._find(job.id)
        return next((k for k in range(job.segments) if not (folder / f"{k:05}.mp4").is_file()), job.segments)

    def drop_damaged(self, job: Job) -> None:
        """Remove the segments that are not what they should be, as after a crash of the machine."""
        for number in range(self.finished(job)):
            path = self.segment(job, number)
            wanted = min(job.segment_frames, job.frames - number * job.segment_frames)
            try:
                whole = counted(path) == wanted
            except FFmpegError:
                whole = False
            if not whole:
                logger.warning("segment %d of job %s is damaged and is made again", number, job.id)
                path.unlink(missing_ok=True)

    def video(self, job: Job) -> Path:
        """Where the finished video is, or will be."""
        return self._find(job.id) / _VIDEO

    def drop_segments(self, job: Job) -> None:
        """Remove what the finished video holds already."""
        for path in self._find(job.id).glob("[0-9]*.mp4"):
            path.unlink(missing_ok=True)

    def remove(self, job: Job) -> None:
        """Forget a job and all its files."""
        folder = self._find(job.id)
        gone = folder.with_name(f".{secrets.token_hex(8)}")
        with suppress(FileNotFoundError):
            folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def check_room(self) -> None:
        """Raise BusyError when the jobs take more bytes than they may."""
        self._require_bytes()

    def _find(self, job_id: str) -> Path:
        folder = self._folder / job_id
        if not _ID.fullmatch(job_id) or not folder.is_dir():
            raise _absent()
        return folder

    def _folders(self) -> list[Path]:
        """The folders of all jobs, those changed last first."""
        if not self._folder.is_dir():
            return []
        folders = [folder for folder in self._folder.iterdir() if _ID.fullmatch(folder.name)]
        return sorted(folders, key=_changed, reverse=True)

    def _make_room(self) -> None:
        """Remove jobs that are too old, and others where there are as many as fit: finished ones first, the oldest of each."""
        now = time.time()
        for draft in self._folder.glob(".*"):
            with suppress(OSError):
                if now - draft.stat().st_mtime > DRAFT_AGE_S:
                    shutil.rmtree(draft, ignore_errors=True)
        kept = []
        for folder in self._folders():
            if now - _changed(folder) > self._limits.age_s and not locked(folder / _LOCK):
                shutil.rmtree(folder, ignore_errors=True)
            else:
                kept.append(folder)
        while kept and (len(kept) >= self._limits.kept or _total(kept) > self._limits.total_bytes):
            oldest = _least_needed(kept, now)
            if oldest is None:
                raise BusyError(
                    f"{len(kept)} jobs are kept, which is as many as fit: remove one that is not needed",
                    retry_after_s=60,
                )
            shutil.rmtree(oldest, ignore_errors=True)
            kept.remove(oldest)

    def _require_bytes(self) -> None:
        if _total(path for path in self._folder.iterdir() if path.is_dir()) > self._limits.total_bytes:
            raise BusyError(
                f"the jobs take {self._limits.total_bytes} bytes, which is as much as they may: remove some",
                retry_after_s=60,
            )


def store_of(settings: AnimationSettings) -> JobStore:
    """The jobs where `settings` have them."""
    limits = JobLimits(settings.jobs_kept, settings.jobs_max_bytes, settings.jobs_max_age_s)
    return JobStore(settings.jobs_dir or settings.data_dir / "jobs", limits)


def new_id() -> str:
    """An id that nobody can guess."""
    return secrets.token_hex(16)


def _absent() -> NotFoundError:
    return NotFoundError("there is no such job: it was never made here, or it is no longer kept")


def _least_needed(folders: Sequence[Path], now: float) -> Path | None:
    """Of folders sorted as by `_folders`: the oldest finished job, else the oldest that nobody works on."""
    finished = next((folder for folder in reversed(folders) if (folder / _VIDEO).is_file()), None)
    if finished is not None:
        return finished
    old = (folder for folder in reversed(folders) if now - _changed(folder) > YOUNG_S)
    return next((folder for folder in old if not locked(folder / _LOCK)), None)


def _changed(folder: Path) -> float:
    try:
        return (folder / _JOB).stat().st_mtime
    except OSError:
        return time.time()


def _total(folders: Iterable[Path]) -> int:
    total = 0
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as files:
            for file in files:
                with suppress(OSError):
                    total += file.stat().st_size
    return total
