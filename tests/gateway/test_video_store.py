from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from comps.core.errors import NotFoundError
from gateway.video_store import StoreLimits, VideoStore
from tests.gateway.conftest import open_stack

NOW = 1_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def store_of(folder: Path, clock: Clock, **limits: float) -> VideoStore:
    return VideoStore(folder, StoreLimits(**limits), clock)  # type: ignore[arg-type]


def put(store: VideoStore, clock: Clock, size: int = 10) -> str:
    video_id = store.new_id()
    part = store.unfinished(video_id)
    part.write_bytes(b"v" * size)
    os.utime(part, (clock.now, clock.now))
    store.commit(video_id, part)
    return video_id


def test_a_finished_video_is_found_by_its_id(tmp_path: Path, clock: Clock) -> None:
    store = store_of(tmp_path / "new", clock)
    assert store.find(put(store, clock)).read_bytes() == b"v" * 10


def test_ids_are_long_and_never_repeat() -> None:
    ids = {VideoStore.new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(video_id) == 32 for video_id in ids)


@pytest.mark.parametrize("name", ["0" * 32, "", "..", "../etc/passwd", "0" * 31 + "/", "G" * 32, "secret"])
def test_what_is_no_id_of_a_video_is_not_found(tmp_path: Path, clock: Clock, name: str) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"not ours")
    with pytest.raises(NotFoundError):
        store_of(tmp_path, clock).find(name)


def test_an_old_video_is_gone(tmp_path: Path, clock: Clock) -> None:
    store = store_of(tmp_path, clock, age_s=60)
    video_id = put(store, clock)
    clock.now += 61
    with pytest.raises(NotFoundError, match="60 s"):
        store.find(video_id)
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_go_when_there_are_too_many(tmp_path: Path, clock: Clock) -> None:
    store = store_of(tmp_path, clock, count=2)
    ids = []
    for _ in range(4):
        clock.now += 1
        ids.append(put(store, clock))
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(ids[2:])


def test_the_oldest_go_when_there_are_too_many_bytes(tmp_path: Path, clock: Clock) -> None:
    store = store_of(tmp_path, clock, total_bytes=25)
    ids = []
    for _ in range(3):
        clock.now += 1
        ids.append(put(store, clock))
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(ids[1:])


def test_a_new_video_larger_than_the_store_is_kept_for_its_client(tmp_path: Path, clock: Clock) -> None:
    store = store_of(tmp_path, clock, total_bytes=5)
    assert store.find(put(store, clock)).stat().st_size == 10


def test_files_of_others_are_left_alone(tmp_path: Path, clock: Clock) -> None:
    theirs = tmp_path / "holiday.mp4"
    theirs.write_bytes(b"x" * 100)
    store = store_of(tmp_path, clock, count=1, total_bytes=20)
    put(store, clock)
    assert theirs.exists()


def test_discard_removes_what_an_unfinished_turn_left(tmp_path: Path, clock: Clock) -> None:
    store = store_of(tmp_path, clock)
    video_id = store.new_id()
    store.spool(video_id).write_bytes(b"x")
    store.unfinished(video_id).write_bytes(b"x")
    store.discard(video_id)
    assert list(tmp_path.iterdir()) == []
    store.discard(video_id)


def test_what_got_too_old_while_nothing_ran_goes_at_start(tmp_path: Path, clock: Clock) -> None:
    video_id = put(store_of(tmp_path, clock), clock)
    clock.now += 3601
    store_of(tmp_path, clock)
    assert not (tmp_path / f"{video_id}.mp4").exists()


def test_parts_of_a_crashed_process_are_removed_at_start(tmp_path: Path, clock: Clock) -> None:
    stale, fresh = tmp_path / f"{'a' * 32}.part", tmp_path / f"{'b' * 32}.part"
    for path, age in ((stale, 7200), (fresh, 10)):
        path.write_bytes(b"x")
        os.utime(path, (clock.now - age, clock.now - age))
    store_of(tmp_path, clock)
    assert list(tmp_path.iterdir()) == [fresh]


async def test_an_idle_gateway_forgets_old_videos_and_keeps_what_is_not_its_own(tmp_path: Path) -> None:
    async with AsyncExitStack() as exits:
        stack = await open_stack(exits, tmp_path, video_age_s=0.3)
        reply = await stack.client.post("/v1/say", json={"text": "hello"})
        assert reply.status_code == 200, reply.text
        (stack.outputs / "mine.mp4").write_bytes(b"not a video of the store")
        with anyio.fail_after(20):
            while len(list(stack.outputs.iterdir())) > 1:  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.05)
        assert [path.name for path in stack.outputs.iterdir()] == ["mine.mp4"]


@pytest.mark.parametrize("part", ["part", "part.mp4"])
async def test_a_turn_says_that_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """The system refuses what is written to /dev/full as a full disk does."""
    monkeypatch.setattr(VideoStore, "new_id", staticmethod(lambda: "f" * 32))
    async with AsyncExitStack() as exits:
        stack = await open_stack(exits, tmp_path)
        (stack.outputs / f"{'f' * 32}.{part}").symlink_to("/dev/full")
        reply = await stack.client.post("/v1/say", json={"text": "hello"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (507, "storage_full")
        assert reply.json()["error"]["service"] == "gateway"
        assert list(stack.outputs.iterdir()) == []
        (stack.outputs / f"{'f' * 32}.{part}").symlink_to("/dev/full")
        stream = await stack.client.post("/v1/say", json={"text": "hello"}, headers={"Accept": "text/event-stream"})
        assert "event: error" in stream.text
        assert "storage_full" in stream.text
        assert (await stack.client.post("/v1/say", json={"text": "hello"})).status_code == 200
