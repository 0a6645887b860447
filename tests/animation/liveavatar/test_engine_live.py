"""The engine on five GPUs with a stand-in for the program: the real command, processes and channel."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.engine import AnimationOptions, Avatar, FrameBatch
from comps.animation.engines.liveavatar.engine import LiveAvatarEngine
from comps.animation.engines.liveavatar.live import channel
from comps.animation.engines.liveavatar.live.line import WINDOW
from comps.animation.engines.liveavatar.live.supervisor import Worker
from comps.core.errors import AvatarError, BusyError, EngineUnavailableError
from comps.core.speech import SpeechChunk
from tests.animation.liveavatar.conftest import Machine, MakeSettings, eventually

RATE = 16_000
OPTIONS = AnimationOptions(size=64)


def stairs(seconds: float, rate: int = RATE) -> NDArray[np.int16]:
    """A square wave whose loudness steps up every 40 ms, anew in each 4.8 s: block and frame can be read from it."""
    time = np.arange(round(seconds * rate)) / rate
    level = (np.floor(time * 25 + 1e-6) % 120 + 1) * 130
    sign = np.where(np.arange(len(time)) % 20 < 10, 1, -1)
    return (level * sign).astype(np.int16)


def expected(frames: int) -> list[int]:
    return [int((index % 120 + 1) * 130 * 200 / 32768) for index in range(frames)]


async def told(pcm: NDArray[np.int16], rate: int = RATE, piece: int = 3000) -> AsyncIterator[SpeechChunk]:
    for start in range(0, len(pcm), piece):
        yield SpeechChunk(pcm[start : start + piece], rate, start)
        await asyncio.sleep(0)


def greys(batches: list[FrameBatch]) -> list[int]:
    """The grey of every frame; checks that frames are consecutive and plain."""
    values: list[int] = []
    for batch in batches:
        assert batch.first == len(values)
        assert batch.pixel_format == "rgb24"
        assert np.ptp(batch.frames, axis=(1, 2, 3)).max() == 0
        values += batch.frames[:, 0, 0, 0].tolist()
    return values


@asynccontextmanager
async def loaded(settings: Any) -> AsyncIterator[LiveAvatarEngine]:
    engine = LiveAvatarEngine(settings)
    try:
        await engine.load()
        yield engine
    finally:
        await engine.close()


async def drawn(
    engine: LiveAvatarEngine, avatar: Avatar, seconds: float, options: AnimationOptions = OPTIONS
) -> list[FrameBatch]:
    performance = await engine.open(avatar, options)
    return [batch async for batch in performance.animate(told(stairs(seconds)))]


def worker_of(engine: LiveAvatarEngine) -> Worker:
    assert engine._workers is not None
    return engine._workers.members[0]


async def test_every_frame_shows_its_own_sound(machine: Machine, make_settings: MakeSettings, avatar: Avatar) -> None:
    async with loaded(make_settings()) as engine:
        values = greys(await drawn(engine, avatar, 4.0))
        assert values == expected(100)
        assert len(machine.processes()) == 2
        assert not engine.capabilities.text
    assert machine.processes() == []


async def test_a_second_answer_begins_at_its_own_first_sound(make_settings: MakeSettings, avatar: Avatar) -> None:
    async with loaded(make_settings()) as engine:
        assert greys(await drawn(engine, avatar, 1.32)) == expected(33)
        pid = worker_of(engine).pid
        assert greys(await drawn(engine, avatar, 2.0)) == expected(50)
        assert worker_of(engine).pid == pid


@pytest.mark.parametrize(("fps", "seconds"), [(30, 1.3), (20, 0.9), (5, 0.52), (60, 0.05)])
async def test_other_rates_show_the_frame_of_their_time(
    make_settings: MakeSettings, avatar: Avatar, fps: int, seconds: float
) -> None:
    async with loaded(make_settings()) as engine:
        values = greys(await drawn(engine, avatar, seconds, AnimationOptions(fps=fps, size=64)))
    count = -(-round(seconds * RATE) * fps // RATE)
    shown = expected(200)
    # The last frame may be heard only in part.
    assert values[:-1] == [shown[index * 25 // fps] for index in range(count - 1)]
    assert len(values) == count


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
async def test_speech_of_any_rate(make_settings: MakeSettings, avatar: Avatar, rate: int) -> None:
    async with loaded(make_settings()) as engine:
        performance = await engine.open(avatar, OPTIONS)
        values = greys([batch async for batch in performance.animate(told(stairs(2.0, rate), rate))])
    assert len(values) == 50
    assert np.abs(np.array(values) - expected(50)).max() <= 6


async def test_no_speech_is_no_frame(make_settings: MakeSettings, avatar: Avatar) -> None:
    async with loaded(make_settings()) as engine:
        assert await drawn(engine, avatar, 0.0) == []


async def test_frames_keep_the_shape_of_the_picture(make_settings: MakeSettings, picture: Path) -> None:
    wide = Avatar("wide", "Wide", picture, picture)
    async with loaded(make_settings(liveavatar_size="704*384")) as engine:
        performance = await engine.open(wide, AnimationOptions(size=128))
        batches = [batch async for batch in performance.animate(told(stairs(0.5)))]
    assert (performance.width, performance.height) == (128, 70)
    assert batches[0].frames.shape == (12, 70, 128, 3)


async def test_slow_speech_is_answered_as_it_comes(make_settings: MakeSettings, avatar: Avatar) -> None:
    """Speech that stops in the middle: what was heard comes out without waiting for the rest."""
    gate = asyncio.Event()

    async def halting() -> AsyncIterator[SpeechChunk]:
        pcm = stairs(4.0)
        yield SpeechChunk(pcm[:32_000], RATE)
        await gate.wait()
        yield SpeechChunk(pcm[32_000:], RATE, 32_000)

    async with loaded(make_settings()) as engine:
        performance = await engine.open(avatar, OPTIONS)
        batches = []
        async for batch in performance.animate(halting()):
            batches.append(batch)
            if batch.first == 36:  # the fourth block, whose sound and look-ahead were all there
                gate.set()
    assert greys(batches) == expected(100)


async def test_an_interruption_drops_what_is_under_way(
    machine: Machine, make_settings: MakeSettings, avatar: Avatar
) -> None:
    async with loaded(make_settings()) as engine:
        performance = await engine.open(avatar, OPTIONS)
        batches = performance.animate(told(stairs(10.0)))
        first = await anext(batches)
        await batches.aclose()  # type: ignore[attr-defined]
        worker = worker_of(engine)
        pid = worker.pid
        # The next answer is not kept waiting and shows nothing of the one before.
        quiet = (stairs(1.92) // 2).astype(np.int16)
        again = await engine.open(avatar, OPTIONS)
        values = greys([batch async for batch in again.animate(told(quiet))])
        assert first.first == 0
        assert values == [int(int((index % 120 + 1) * 130 / 2) * 200 / 32768) for index in range(48)]
        assert worker.pid == pid
        assert worker._line is None
    assert machine.processes() == []


async def test_a_client_that_stops_reading_stops_the_speech(make_settings: MakeSettings, avatar: Avatar) -> None:
    read = 0

    async def endless() -> AsyncIterator[SpeechChunk]:
        nonlocal read
        for start in range(0, 100 * RATE, 1600):
            read = start + 1600
            yield SpeechChunk(np.full(1600, 1000, np.int16), RATE, start)
            await asyncio.sleep(0)

    async with loaded(make_settings()) as engine:
        performance = await engine.open(avatar, OPTIONS)
        batches = performance.animate(endless())
        await anext(batches)
        before = -1
        while before != read:
            before = read
            await asyncio.sleep(0.3)
        worker = worker_of(engine)
        assert worker._line is not None
        assert len(worker._line._arrived) <= WINDOW
        assert read <= (WINDOW + 3) * channel.BLOCK_SAMPLES
        await batches.aclose()  # type: ignore[attr-defined]


async def test_late_frames_are_all_there(
    make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "late")
    async with loaded(make_settings()) as engine:
        assert greys(await drawn(engine, avatar, 2.0)) == expected(50)


async def test_frames_that_nobody_asked_for_are_dropped(
    make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "unasked")
    async with loaded(make_settings()) as engine:
        performance = await engine.open(avatar, OPTIONS)
        batches = performance.animate(told(stairs(4.0)))
        await anext(batches)
        line = worker_of(engine)._line
        assert line is not None
        async for _ in batches:
            pass
        assert line.unasked >= 2


async def test_a_lost_block_shows_the_frame_before_it(
    make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "lost")
    async with loaded(make_settings()) as engine:
        values = greys(await drawn(engine, avatar, 4.0))
    right = expected(100)
    assert values == [*right[:24], *[right[23]] * 12, *right[36:]]


@pytest.mark.parametrize("mode", ["garbage", "false_size", "crash", "hang"])
async def test_a_program_that_breaks_ends_the_answer_and_is_started_again(
    machine: Machine, make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", mode)
    async with loaded(make_settings(liveavatar_heartbeat_s=3 if mode == "hang" else 30)) as engine:
        with pytest.raises(EngineUnavailableError, match="ended while it was drawing this answer"):
            await drawn(engine, avatar, 6.0)
        monkeypatch.setenv("STAND_IN_MODE", "on_time")
        worker = worker_of(engine)
        assert worker.state in ("restarting", "starting")
        await worker.until_ready()
        assert greys(await drawn(engine, avatar, 1.0)) == expected(25)
        assert len(machine.processes()) == 2
    assert machine.processes() == []


async def test_a_stalled_program_is_a_timeout_and_is_started_again(
    machine: Machine, make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "stall")
    async with loaded(make_settings(liveavatar_stall_s=3)) as engine:
        with pytest.raises(AvatarError) as caught:
            await drawn(engine, avatar, 6.0)
        assert caught.value.status in (503, 504)
        monkeypatch.setenv("STAND_IN_MODE", "on_time")
        assert greys(await drawn(engine, avatar, 1.0)) == expected(25)
    assert machine.processes() == []


@pytest.mark.parametrize(
    ("mode", "notes"), [("oom", ["FP8=on"]), ("oom_twice", ["FP8=on", "T5_CPU=on"]), ("nccl", ["P2P=false"])]
)
async def test_a_start_that_fails_is_tried_with_less(
    make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch, mode: str, notes: list[str]
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", mode)
    async with loaded(make_settings()) as engine:
        performance = await engine.open(avatar, OPTIONS)
        values = greys([batch async for batch in performance.animate(told(stairs(1.0)))])
    assert values == expected(25)
    assert len(performance.notes) == len(notes)
    assert all(note in said for note, said in zip(notes, performance.notes, strict=True))


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("oom_always", "ran out of memory"),
        ("missing", "missing or damaged"),
        ("assertion", "does not take these settings"),
        ("never", "did not connect in time"),
    ],
)
async def test_a_program_that_cannot_start_is_given_up(
    machine: Machine,
    make_settings: MakeSettings,
    avatar: Avatar,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    reason: str,
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", mode)
    settings = make_settings(liveavatar_start_s=2 if mode == "never" else 60, liveavatar_restarts=1)
    async with loaded(settings) as engine:
        with pytest.raises(EngineUnavailableError, match=reason) as caught:
            await drawn(engine, avatar, 1.0)
        assert "another engine" in caught.value.message
        assert (await engine.check())["GPU 0,1,2,3,4"].startswith("failed")
    assert machine.processes() == []


async def test_another_face_restarts_the_program(make_settings: MakeSettings, avatar: Avatar, picture: Path) -> None:
    async with loaded(make_settings()) as engine:
        await drawn(engine, avatar, 0.5)
        pid = worker_of(engine).pid
        assert greys(await drawn(engine, Avatar("wide", "Wide", picture, picture), 0.96)) == expected(24)
        assert worker_of(engine).pid != pid


async def test_answers_queue_for_the_group_and_the_queue_ends(make_settings: MakeSettings, avatar: Avatar) -> None:
    async with loaded(make_settings(liveavatar_queue=1)) as engine:
        first = (await engine.open(avatar, OPTIONS)).animate(told(stairs(3.0)))
        await anext(first)
        second = asyncio.create_task(drawn(engine, avatar, 0.96))
        assert engine._workers is not None
        groups = engine._workers
        await eventually(lambda: groups.waiting == 1)
        with pytest.raises(BusyError) as caught:
            await engine.open(avatar, OPTIONS)
        assert caught.value.retry_after_s
        await first.aclose()  # type: ignore[attr-defined]
        assert greys(await second) == expected(24)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("stall_idle", "its GPUs have stopped making frames"), ("other_protocol", "another protocol or frame rate")],
)
async def test_a_program_that_is_of_no_use_is_noticed_without_an_answer(
    machine: Machine,
    make_settings: MakeSettings,
    avatar: Avatar,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    reason: str,
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", mode)
    async with loaded(make_settings(liveavatar_stall_s=3, liveavatar_restarts=0)) as engine:
        await engine.open(avatar, OPTIONS)
        worker = worker_of(engine)
        await eventually(lambda: worker.state == "failed")
        assert reason in worker.reason
        assert machine.processes() == []


async def test_five_gpus_may_work_offline(
    machine: Machine, make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STAND_IN_ARGUMENTS", str(tmp_path / "arguments"))
    async with loaded(make_settings(liveavatar_mode="offline", liveavatar_gpus="0,1,2,3,4")) as engine:
        assert sum(len(batch.frames) for batch in await drawn(engine, avatar, 1.0)) == 25
        assert await engine.check() == {"GPU 0,1,2,3,4": "idle"}
    asked = (tmp_path / "arguments").read_text().split()
    assert (asked[asked.index("--nproc_per_node") + 1], asked[asked.index("--num_gpus_dit") + 1]) == ("5", "4")


async def test_closing_while_it_starts_leaves_nothing(
    machine: Machine, make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "slow_start")
    async with loaded(make_settings()) as engine:
        await engine.open(avatar, OPTIONS)
        await eventually(lambda: len(machine.processes()) == 2)
        assert (await engine.check())["GPU 0,1,2,3,4"].startswith("starting")
    assert machine.processes() == []


async def test_a_temporary_folder_with_a_long_name_is_passed_over(
    make_settings: MakeSettings, avatar: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    await anyio.Path(long).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    async with loaded(make_settings()) as engine:
        assert greys(await drawn(engine, avatar, 0.96)) == expected(24)
