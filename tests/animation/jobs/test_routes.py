"""Jobs through the real service: how they run, stop, go on, are refused and are forgotten."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import os
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import anyio
import anyio.from_thread
import httpx
import numpy as np
import pytest

from comps.animation.jobs import lock
from comps.animation.jobs.job import Job
from comps.animation.jobs.lock import FileLock
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.framing import pack, pack_speech
from comps.core.media.segments import SegmentWriter
from comps.core.serve import running
from comps.core.speech import Phone, SpeechChunk
from comps.core.web import json_body
from tests.animation.conftest import RATE, Running, tone
from tests.animation.jobs.conftest import Json, decoded, ended, made, reached, shown, video, wav
from tests.animation.stand_in import ENHANCERS, TABLE


async def test_a_job_becomes_a_video_as_long_as_its_sound(service: Running, tmp_path: Path) -> None:
    job = await made(service.client, 1.3, preset="standard")
    assert re.fullmatch("[0-9a-f]{32}", job["id"])
    assert (job["segments_total"], job["total_s"], job["fps"], job["engine"]) == (4, 1.32, 25, "stand-in")
    done = await ended(service.client, job["id"])
    assert (done["state"], done["segments_done"], done["done_s"], done["remaining_s"]) == ("done", 4, 1.32, 0)
    frames, sound = decoded(await video(service.client, done, tmp_path))
    assert len(frames) == 33
    assert abs(len(sound) / 48_000 - 1.3) <= 1 / 25
    again = await service.client.get(done["video_path"], headers={"range": "bytes=4-7"})
    assert (again.status_code, again.content) == (206, b"ftyp")
    left = sorted(path.name for path in (service.settings.jobs_dir / job["id"]).iterdir())
    assert left == ["job.json", "lock", "name", "portrait.png", "rig.json", "speech.bin", "video.mp4"]


async def test_a_job_that_was_stopped_twice_has_the_frames_of_one_that_was_not(
    service: Running, tmp_path: Path
) -> None:
    service.engine.delay_s = 0.02
    whole = await ended(service.client, (await made(service.client, 3.9))["id"])
    expected, expected_sound = decoded(await video(service.client, whole, tmp_path))
    drawn = service.engine.drawn
    job = await made(service.client, 3.9)
    for segments in (2, 6):
        await reached(service.client, job["id"], segments)
        stopped = (await service.client.delete(f"/v1/jobs/{job['id']}")).json()
        assert stopped["state"] == "cancelled"
        assert segments <= stopped["segments_done"] < stopped["segments_total"]
        assert stopped["remaining_s"] > 0
        assert (await shown(service.client, job["id"])) == stopped
        assert (await service.client.get(f"/v1/jobs/{job['id']}/video.mp4")).status_code == 404
        resumed = await service.client.post(f"/v1/jobs/{job['id']}/resume")
        assert resumed.json()["state"] in ("queued", "running")
        assert resumed.json()["segments_done"] >= stopped["segments_done"]
    done = await ended(service.client, job["id"])
    frames, sound = decoded(await video(service.client, done, tmp_path))
    assert len(frames) == len(expected) == 98
    for one, other in zip(expected, frames, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(sound, expected_sound)
    assert service.engine.open_now == 0
    assert service.engine.drawn > drawn


async def test_one_job_runs_and_the_others_wait_in_line(service: Running) -> None:
    service.engine.delay_s = 0.02
    first, second = await made(service.client, 2.0), await made(service.client, 0.5)
    await reached(service.client, first["id"], 1)
    assert (await shown(service.client, second["id"]))["state"] == "queued"
    stopped = (await service.client.delete(f"/v1/jobs/{second['id']}")).json()
    assert (stopped["state"], stopped["segments_done"]) == ("cancelled", 0)
    assert (await service.client.post(f"/v1/jobs/{second['id']}/resume")).json()["state"] == "queued"
    assert (await ended(service.client, second["id"]))["state"] == "done"
    assert (await shown(service.client, first["id"]))["state"] == "done"


async def test_what_is_done_neither_stops_nor_goes_on(service: Running) -> None:
    done = await ended(service.client, (await made(service.client, 0.5))["id"])
    assert (await service.client.delete(f"/v1/jobs/{done['id']}")).json() == done
    assert (await service.client.post(f"/v1/jobs/{done['id']}/resume")).json() == done


@pytest.mark.parametrize("state", ["running", "done"])
async def test_purging_leaves_nothing(service: Running, state: str) -> None:
    service.engine.delay_s = 0.02
    job = await made(service.client, 2.0)
    await (ended(service.client, job["id"]) if state == "done" else reached(service.client, job["id"], 1))
    answer = await service.client.delete(f"/v1/jobs/{job['id']}?purge=true")
    assert (answer.status_code, answer.content) == (204, b"")
    assert list(service.settings.jobs_dir.iterdir()) == []
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/resume"), ("GET", "/video.mp4")):
        answer = await service.client.request(method, f"/v1/jobs/{job['id']}{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert service.engine.open_now == 0


@pytest.mark.parametrize("name", ["0" * 32, "..", "job.json", "A" * 32, "0" * 31])
async def test_unknown_ids_are_not_found(service: Running, name: str) -> None:
    answer = await service.client.get(f"/v1/jobs/{name}")
    assert answer.status_code == 404


async def test_jobs_are_not_listed(service: Running) -> None:
    await ended(service.client, (await made(service.client, 0.5))["id"])
    assert (await service.client.get("/v1/jobs")).status_code == 405


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 422, None),
        ({"audio": "?"}, 422, "audio"),
        ({"audio": wav(61)}, 413, "audio"),
        ({"audio": wav(1), "avatar": "nobody"}, 404, "avatar"),
        ({"audio": wav(1), "engine": "magic"}, 422, "engine"),
        ({"audio": wav(1), "engine": "absent"}, 503, "engine"),
        ({"audio": wav(1), "enhancer": "magic"}, 422, "enhancer"),
        ({"audio": wav(1), "preset": "draft"}, 422, "preset"),
    ],
)
async def test_what_cannot_become_a_job_is_refused_at_once(
    service: Running, body: Json, status: int, param: str | None
) -> None:
    answer = await service.client.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    folder = service.settings.jobs_dir
    assert folder is not None
    assert not folder.exists() or list(folder.iterdir()) == []


async def test_a_job_that_fails_says_why_and_can_be_tried_again(service: Running) -> None:
    job = await made(service.client, 0.5, emotion="faceless")
    failed = await ended(service.client, job["id"])
    assert failed["state"] == "failed"
    assert failed["error"] == {"code": "face", "message": "this picture cannot be animated"}
    await service.client.post(f"/v1/jobs/{job['id']}/resume")
    assert (await ended(service.client, job["id"]))["state"] == "failed"


async def test_a_job_keeps_its_picture_and_its_choices(service: Running, portrait_file: bytes, tmp_path: Path) -> None:
    """Whatever becomes of the avatar and the settings before it is gone on with."""
    service.engine.delay_s = 0.02
    avatar = (await service.client.post("/v1/avatars", files={"file": portrait_file})).json()["id"]
    whole = await ended(service.client, (await made(service.client, 2.0, avatar=avatar, seed=3))["id"])
    job = await made(service.client, 2.0, avatar=avatar, seed=3)
    await reached(service.client, job["id"], 1)
    await service.client.delete(f"/v1/jobs/{job['id']}")
    assert (await service.client.delete(f"/v1/avatars/{avatar}")).is_success
    service.app.state.studio.settings = service.settings.model_copy(update={"size": 128, "fps": 30})
    await service.client.post(f"/v1/jobs/{job['id']}/resume")
    done = await ended(service.client, job["id"])
    one, _ = decoded(await video(service.client, whole, tmp_path))
    other, _ = decoded(await video(service.client, done, tmp_path))
    np.testing.assert_array_equal(np.stack(one), np.stack(other))


async def test_a_damaged_segment_is_made_again(service: Running, tmp_path: Path) -> None:
    service.engine.delay_s = 0.02
    whole = await ended(service.client, (await made(service.client, 2.0))["id"])
    job = await made(service.client, 2.0)
    await reached(service.client, job["id"], 3)
    await service.client.delete(f"/v1/jobs/{job['id']}")
    segment = service.settings.jobs_dir / job["id"] / "00001.mp4"
    segment.write_bytes(segment.read_bytes()[:200])
    await service.client.post(f"/v1/jobs/{job['id']}/resume")
    done = await ended(service.client, job["id"])
    one, _ = decoded(await video(service.client, whole, tmp_path))
    other, _ = decoded(await video(service.client, done, tmp_path))
    np.testing.assert_array_equal(np.stack(one), np.stack(other))


@asynccontextmanager
async def serving(settings: AnimationSettings) -> AsyncIterator[Running]:
    app = create_app(settings, TABLE, ENHANCERS)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        await app.state.readiness.settled()
        yield Running(app, url, client, settings)


async def test_the_line_the_shelf_and_the_disk_are_bounded(settings: AnimationSettings) -> None:
    tight = settings.model_copy(update={"jobs_queued": 1, "jobs_kept": 3})
    async with serving(tight) as service:
        service.engine.delay_s = 0.05
        jobs = [await made(service.client, 2.0) for _ in range(2)]
        full = await service.client.post("/v1/jobs", json={"audio": wav(1)})
        assert (full.status_code, full.json()["error"]["code"]) == (429, "busy")
        assert "retry-after" in full.headers
        assert (await service.client.get("/v1/jobs/place")).json()["error"]["code"] == "busy"
        for job in jobs:
            await service.client.delete(f"/v1/jobs/{job['id']}")
        assert (await service.client.get("/v1/jobs/place")).status_code == 204
        service.engine.delay_s = 0.0
        done = await ended(service.client, (await made(service.client, 0.5))["id"])
        newer = await ended(service.client, (await made(service.client, 0.5))["id"])  # in the place of the done one
        assert (await service.client.get(f"/v1/jobs/{done['id']}")).status_code == 404
        await service.client.delete(f"/v1/jobs/{newer['id']}?purge=true")
        service.engine.delay_s = 0.05
        await service.client.delete(f"/v1/jobs/{(await made(service.client, 2.0))['id']}")
        full = await service.client.post("/v1/jobs", json={"audio": wav(1)})  # none of the three is done
        assert (full.status_code, full.json()["error"]["code"]) == (429, "busy")
        assert "remove one" in full.json()["error"]["message"]


async def test_a_disk_that_is_full_stops_a_job_which_goes_on_when_there_is_room(settings: AnimationSettings) -> None:
    async with serving(settings) as service:
        service.engine.delay_s = 0.02
        job = await made(service.client, 3.0)
        await reached(service.client, job["id"], 1)
        folder = settings.jobs_dir / ("f" * 32)
        folder.mkdir()
        with (folder / "video.mp4").open("wb") as file:
            file.truncate(settings.jobs_max_bytes)
        failed = await ended(service.client, job["id"])
        assert (failed["state"], failed["error"]["code"]) == ("failed", "busy")
        (folder / "video.mp4").unlink()
        folder.rmdir()
        await service.client.post(f"/v1/jobs/{job['id']}/resume")
        assert (await ended(service.client, job["id"]))["state"] == "done"


async def test_a_job_says_that_the_disk_is_full_and_goes_on_when_it_is_not(settings: AnimationSettings) -> None:
    """The system refuses what is written to /dev/full as a full disk does."""
    async with serving(settings) as service:
        service.engine.delay_s = 0.02
        job = await made(service.client, 3.0)
        segment = settings.jobs_dir / job["id"] / ".00002.mp4.part"
        segment.symlink_to("/dev/full")
        failed = await ended(service.client, job["id"])
        assert (failed["state"], failed["error"]["code"]) == ("failed", "storage_full")
        assert "the disk is full" in failed["error"]["message"]
        assert failed["segments_done"] == 2
        assert not segment.is_symlink()
        assert (await service.client.post(f"/v1/jobs/{job['id']}/resume")).status_code == 200
        assert (await ended(service.client, job["id"]))["state"] == "done"


async def test_jobs_lie_beside_the_avatars_unless_a_folder_is_named(settings: AnimationSettings) -> None:
    async with serving(settings.model_copy(update={"jobs_dir": None})) as service:
        job = await ended(service.client, (await made(service.client, 0.5))["id"])
        assert (settings.data_dir / "jobs" / job["id"] / "video.mp4").is_file()
        assert len((await service.client.get("/v1/avatars")).json()["avatars"]) == 2


async def test_a_service_that_stops_keeps_what_is_finished(settings: AnimationSettings) -> None:
    async with serving(settings) as service:
        service.engine.delay_s = 0.02
        job, waiting = await made(service.client, 3.0), await made(service.client, 0.5)
        await reached(service.client, job["id"], 2)
    async with serving(settings) as service:
        stopped = await shown(service.client, job["id"])
        assert (stopped["state"], stopped["error"]) == ("cancelled", None)
        assert stopped["segments_done"] >= 2
        assert (await shown(service.client, waiting["id"]))["state"] == "cancelled"
        await service.client.post(f"/v1/jobs/{job['id']}/resume")
        assert (await ended(service.client, job["id"]))["state"] == "done"


async def test_two_services_on_one_folder_do_not_work_on_the_same_job(settings: AnimationSettings) -> None:
    async with serving(settings) as one, serving(settings) as other:
        one.engine.delay_s = 0.05
        job = await made(one.client, 2.0)
        await reached(one.client, job["id"], 1)
        assert (await shown(other.client, job["id"]))["state"] == "running"
        assert (await other.client.post(f"/v1/jobs/{job['id']}/resume")).json()["state"] == "running"
        refused = await other.client.delete(f"/v1/jobs/{job['id']}?purge=true")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "busy")
        assert (await ended(one.client, job["id"]))["state"] == "done"


def framed(*chunks: SpeechChunk, end: bool = True, **start: object) -> bytes:
    head = pack({"type": "start", "avatar": "ada", "sample_rate": RATE, **start})
    return head + b"".join(pack_speech(chunk) for chunk in chunks) + (pack({"type": "end"}) if end else b"")


async def test_speech_comes_with_its_phones(service: Running) -> None:
    phones = (Phone("m", 0.1, 0.2, 1), Phone("", 0.2, 0.4))
    body = framed(SpeechChunk(tone(0.5), RATE, 0, phones), SpeechChunk(tone(0.25), RATE, round(0.6 * RATE), last=True))
    answer = await service.client.post("/v1/jobs/speech", content=body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["total_s"] == 0.88
    assert (await ended(service.client, answer.json()["id"]))["state"] == "done"
    assert service.engine.seen[0].phones == phones
    assert [chunk.first_sample for chunk in service.engine.seen] == [0, len(tone(0.5)), round(0.6 * RATE)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"hello", 400),
        (framed(end=True), 422),
        (framed(SpeechChunk(tone(0.5), RATE, 0), end=False), 400),
        (framed(SpeechChunk(tone(0.5), RATE, 0))[:-20], 400),
        (framed(SpeechChunk(tone(0.5), RATE, 0), sample_rate=16_000), 422),
        (framed(SpeechChunk(tone(0.5), RATE, 0), fps=300), 422),
        (framed(SpeechChunk(tone(0.5), RATE, 0), SpeechChunk(tone(0.5), RATE, 0)), 422),
        (framed(SpeechChunk(tone(0.5), RATE, 70 * RATE)), 413),
        (framed(SpeechChunk(tone(0.5), RATE, 50 * RATE)), 422),
        (pack({"type": "speech"}), 422),
        (pack({"type": "start", "sample_rate": RATE}) + pack({"type": "cancel"}), 400),
    ],
)
async def test_speech_that_is_none_is_refused(service: Running, body: bytes, status: int) -> None:
    answer = await service.client.post("/v1/jobs/speech", content=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


async def test_a_picture_for_this_job_only(service: Running, portrait_file: bytes) -> None:
    job = await made(service.client, 0.5, image=base64.b64encode(portrait_file).decode())
    assert (await ended(service.client, job["id"]))["state"] == "done"


async def test_many_look_while_one_starts_and_stops(service: Running) -> None:
    service.engine.delay_s = 0.01
    job = await made(service.client, 2.0)

    async def look() -> None:
        for _ in range(20):
            assert (await shown(service.client, job["id"]))["state"] in ("queued", "running", "cancelled", "done")

    async def stop_and_go() -> None:
        for _ in range(3):
            await service.client.delete(f"/v1/jobs/{job['id']}")
            answer = await service.client.post(f"/v1/jobs/{job['id']}/resume")
            assert answer.status_code == 200, answer.text

    await asyncio.gather(look(), look(), stop_and_go())
    assert (await ended(service.client, job["id"]))["state"] == "done"


async def test_a_job_that_could_not_be_written_holds_no_place(settings: AnimationSettings) -> None:
    """A folder in the place of the file that is written fails a save as a full disk does."""
    async with serving(settings.model_copy(update={"jobs_queued": 0})) as service:
        service.engine.delay_s = 0.02
        job = await made(service.client, 2.0)
        await service.client.delete(f"/v1/jobs/{job['id']}")
        in_the_way = settings.jobs_dir / job["id"] / ".job.json.part"
        in_the_way.mkdir()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(service.app, raise_app_exceptions=False), base_url="http://here"
        ) as client:
            assert (await client.post(f"/v1/jobs/{job['id']}/resume")).status_code == 500
        assert (await shown(service.client, job["id"]))["state"] == "cancelled"
        in_the_way.rmdir()
        await service.client.post(f"/v1/jobs/{job['id']}/resume")
        assert (await ended(service.client, job["id"]))["state"] == "done"
        assert (await service.client.delete(f"/v1/jobs/{job['id']}?purge=true")).status_code == 204


async def test_of_refused_jobs_nothing_is_kept(settings: AnimationSettings) -> None:
    async with serving(settings.model_copy(update={"jobs_queued": 1})) as service:
        service.engine.delay_s = 0.05
        audio = wav(2)
        answers = await asyncio.gather(
            *(service.client.post("/v1/jobs", json={"audio": audio}) for _ in range(12)),
            *(service.client.post("/v1/jobs/speech", content=framed(SpeechChunk(tone(2), RATE))) for _ in range(12)),
        )
        assert sorted({answer.status_code for answer in answers}) == [202, 429]
        kept = [answer.json()["id"] for answer in answers if answer.status_code == 202]
        assert len(kept) == 2
        assert {path.name for path in settings.jobs_dir.iterdir()} == set(kept)


async def test_of_a_job_whose_client_leaves_before_it_has_begun_nothing_is_kept(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `LifetimeMiddleware` does it: the request's scope is cancelled, here while the lock cannot be had."""
    intake, body = service.app.state.jobs.intake, framed(SpeechChunk(tone(0.5), RATE))

    async def parts() -> AsyncIterator[bytes]:
        yield body

    locks: list[FileLock] = []
    locked, create = anyio.Event(), intake.store.create

    def create_locked(*args: object) -> Job:
        job: Job = create(*args)
        locks.append(FileLock(intake.store.lock_of(job.id)))
        anyio.from_thread.run_sync(locked.set)
        return job

    monkeypatch.setattr(intake.store, "create", create_locked)
    async with anyio.create_task_group() as clients:
        clients.start_soon(intake.speech, parts())
        await locked.wait()
        clients.cancel_scope.cancel()
        locks[0].release()
    assert list(service.settings.jobs_dir.iterdir()) == []


async def test_of_a_job_that_cannot_be_put_in_line_nothing_is_kept(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(job: Job) -> None:
        Path("/dev/full").write_bytes(job.to_json())

    with monkeypatch.context() as patch:
        patch.setattr(service.app.state.jobs.store, "save", full)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(service.app, raise_app_exceptions=False), base_url="http://here"
        ) as client:
            full = await client.post("/v1/jobs", json={"audio": wav(1)})
            assert (full.status_code, full.json()["error"]["code"]) == (507, "storage_full")
    assert list(service.settings.jobs_dir.iterdir()) == []
    assert (await ended(service.client, (await made(service.client, 0.5))["id"]))["state"] == "done"


async def test_on_a_disk_without_locks_no_job_is_made_and_it_is_said_why(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lockless(file: BinaryIO) -> bool:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "try_lock", lockless)
    refused = await service.client.post("/v1/jobs", json={"audio": wav(1)})
    assert refused.status_code == 503
    error = refused.json()["error"]
    assert (error["code"], error["retryable"]) == ("engine_unavailable", False)
    assert "gives no locks" in error["message"]
    assert list(service.settings.jobs_dir.iterdir()) == []


async def test_what_is_given_up_is_given_up_beside_the_event_loop_and_hides_no_error(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing a file may flush megabytes."""
    threads: list[int] = []
    discard = SegmentWriter.discard

    def noted(writer: SegmentWriter) -> None:
        threads.append(threading.get_ident())
        discard(writer)

    monkeypatch.setattr(SegmentWriter, "discard", noted)
    service.engine.delay_s = 0.02
    job = await made(service.client, 3.0)
    while not list((service.settings.jobs_dir / job["id"]).glob(".00001.mp4.part")):  # noqa: ASYNC110 - a file
        await asyncio.sleep(0.005)
    await service.client.delete(f"/v1/jobs/{job['id']}")
    assert threads
    assert threading.get_ident() not in threads
    assert not list((service.settings.jobs_dir / job["id"]).glob(".*.part"))


async def test_a_start_that_cannot_be_is_told_as_in_any_body(service: Running) -> None:
    answer = await service.client.post("/v1/jobs/speech", content=framed(fps=300, size=7))
    error = answer.json()["error"]
    assert (answer.status_code, error["message"]) == (422, "fps must be at most 60; size must be at least 64")


async def test_a_large_body_is_parsed_beside_the_event_loop(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def noted(body: bytes) -> object:
        sizes.append(len(body))
        return json.loads(body)

    monkeypatch.setattr(json_body, "_parse", noted)
    await made(service.client, 8.0)
    assert len(sizes) == 1
