"""What is written of a job, and read again."""

from __future__ import annotations

import errno
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from comps.animation.direction.backdrop import Backdrop
from comps.animation.engine import AnimationOptions, Avatar
from comps.animation.jobs import lock
from comps.animation.jobs.job import Job, Trouble
from comps.animation.jobs.lock import FileLock, locked
from comps.animation.jobs.store import DRAFT_AGE_S, YOUNG_S, JobLimits, JobStore
from comps.core.errors import BusyError, EngineUnavailableError, NotFoundError
from comps.core.speech import Phone, SpeechChunk
from tests.animation.conftest import RATE, tone
from tests.animation.faces import ADA

AVATAR = Avatar("ada", "Ada", ADA / "portrait.png", ADA / "rig.json")
OPTIONS = AnimationOptions(fps=30, size=256, emotion="joy", seed=9, preset="quick", backdrop=Backdrop("plain", "blue"))
JOB = Job("", 12.5, "portrait", OPTIONS, RATE, 3 * RATE + 1, 300, notes=("a note",))


def test_a_job_is_read_as_it_was_written() -> None:
    for job in (JOB, Job("x", 1.0, "e", AnimationOptions(), 8000, 1, 5, "failed", Trouble("face", "no"), 2.5, 64, 48)):
        assert Job.from_json(job.to_json()) == job


def test_what_is_not_known_of_a_job_is_left_out() -> None:
    document = json.loads(JOB.to_json())
    document["later"] = 1
    document["options"]["later"] = {"a": 1}
    assert Job.from_json(json.dumps(document).encode()) == JOB


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"options": 3}', b"\xff"])
def test_what_is_no_job_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a job|Expecting|decode"):
        Job.from_json(data)


@pytest.mark.parametrize(("samples", "frames", "segments"), [(1, 1, 1), (10 * RATE, 300, 1), (10 * RATE + 1, 301, 2)])
def test_frames_and_segments(samples: int, frames: int, segments: int) -> None:
    job = Job("", 0.0, "portrait", OPTIONS, RATE, samples, 300)
    assert (job.frames, job.segments) == (frames, segments)
    assert job.duration >= samples / RATE > job.duration - 1 / 30


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "jobs", JobLimits(kept=5, total_bytes=1 << 30, age_s=1000.0))


async def test_speech_comes_back_with_its_phones(store: JobStore) -> None:
    chunks = [
        SpeechChunk(tone(0.2), RATE, 0, (Phone("m", 0.0, 0.1, 1),), text="One.", emotion="joy"),
        SpeechChunk(tone(0.1), RATE, len(tone(0.2)), (Phone("", 0.2, 0.3),), last=True),
    ]
    job = store.create(JOB, chunks, AVATAR)
    back = [chunk async for chunk in store.speech(job)]
    assert [(chunk.phones, chunk.text, chunk.last, chunk.first_sample) for chunk in back] == [
        (chunk.phones, chunk.text, chunk.last, chunk.first_sample) for chunk in chunks
    ]
    assert b"".join(pcm.tobytes() for pcm in store.sound(job)) == b"".join(chunk.pcm.tobytes() for chunk in chunks)
    kept = store.avatar(job)
    assert (kept.name, kept.video) == ("Ada", None)
    assert kept.image.read_bytes() == AVATAR.image.read_bytes()


def test_a_damaged_job_is_none(store: JobStore, tmp_path: Path) -> None:
    job = store.create(JOB, [SpeechChunk(tone(0.2), RATE)], AVATAR)
    (tmp_path / "jobs" / job.id / "job.json").write_bytes(b"half of")
    with pytest.raises(NotFoundError):
        store.load(job.id)


def test_what_is_too_old_or_was_left_behind_goes(store: JobStore, tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    speech = [SpeechChunk(tone(0.2), RATE)]
    old, new = store.create(JOB, speech, AVATAR), store.create(JOB, speech, AVATAR)
    os.utime(folder / old.id / "job.json", (1, 1))
    for name, age in ((".left", DRAFT_AGE_S + 60), (".now", 0.0)):
        (folder / name).mkdir()
        then = (folder / new.id / "job.json").stat().st_mtime - age
        os.utime(folder / name, (then, then))
    (folder / "mine.txt").write_text("not a job")
    another = store.create(JOB, speech, AVATAR)
    assert {path.name for path in folder.iterdir()} == {new.id, another.id, ".now", "mine.txt"}


def test_jobs_nobody_works_on_make_room_where_none_is_finished(store: JobStore, tmp_path: Path) -> None:
    folder, speech = tmp_path / "jobs", [SpeechChunk(tone(0.2), RATE)]
    jobs = [store.create(JOB, speech, AVATAR) for _ in range(5)]
    with pytest.raises(BusyError, match="remove one"):
        store.create(JOB, speech, AVATAR)
    then = time.time() - YOUNG_S
    for age, job in enumerate(jobs[:3], start=1):
        os.utime(folder / job.id / "job.json", (then - age, then - age))
    in_work = FileLock(store.lock_of(jobs[2].id))
    (folder / jobs[0].id / "video.mp4").write_bytes(b"finished")
    for gone in (jobs[0], jobs[1]):
        store.create(JOB, speech, AVATAR)
        assert not (folder / gone.id).exists()
        assert (folder / jobs[2].id).exists()
    with pytest.raises(BusyError, match="remove one"):
        store.create(JOB, speech, AVATAR)
    in_work.release()


def test_a_disk_without_locks_is_said_to_be_one(
    store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = store.create(JOB, [SpeechChunk(tone(0.2), RATE)], AVATAR)
    files: list[BinaryIO] = []

    def lockless(file: BinaryIO) -> bool:
        files.append(file)
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "try_lock", lockless)
    for look in (
        lambda: FileLock(store.lock_of(job.id)),
        lambda: locked(store.lock_of(job.id)),
        lambda: store.load(job.id),
    ):
        with pytest.raises(EngineUnavailableError, match=r"gives no locks.*AVATAR_ANIMATION_JOBS_DIR"):
            look()
    assert [file.closed for file in files] == [True] * 3


def test_jobs_are_listed_newest_first_without_damaged_ones_and_bounded(store: JobStore, tmp_path: Path) -> None:
    assert store.newest() == []
    speech = [SpeechChunk(tone(0.2), RATE)]
    old, new, damaged = (store.create(replace(JOB, created=created), speech, AVATAR) for created in (1.0, 9.0, 5.0))
    (tmp_path / "jobs" / damaged.id / "job.json").write_bytes(b"half of")
    assert [job.id for job in store.newest()] == [new.id, old.id]
    few = JobStore(tmp_path / "jobs", JobLimits(kept=1, total_bytes=1 << 30, age_s=1000.0))
    assert [job.id for job in few.newest()] == [new.id]
