"""Clips computed in a process of their own: the same frames, the same refusals, and no end with the process."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from comps.animation.audio2face.configuration import StreamRequest
from comps.animation.audio2face.pipeline import Audio2Face
from comps.animation.audio2face.server.bench import Encoded, LocalBench, Piece, Turn, Work
from comps.animation.audio2face.server.process_bench import ProcessBench
from comps.animation.audio2face.server.workers import Workers
from comps.core.errors import AvatarError, EngineUnavailableError, UnprocessableError
from tests.audio2face.server.harness import Code, buffer, clip, header, played, running
from tests.audio2face.test_pipeline import service, speech


def load() -> Audio2Face:
    return service()


def fail() -> Audio2Face:
    raise UnprocessableError("no such model")


@asynccontextmanager
async def process_bench() -> AsyncIterator[ProcessBench]:
    bench = ProcessBench(load)
    try:
        await bench.start()
        yield bench
    finally:
        await bench.close()
        assert not multiprocessing.active_children()


async def turn(work: Work, *pieces: Piece, last: bool = False) -> Encoded:
    """What a turn gives; raises what it tells instead."""
    told: asyncio.Future[Encoded | AvatarError] = asyncio.get_running_loop().create_future()
    work.take(Turn(pieces, last), told.set_result)
    answer = await told
    if isinstance(answer, AvatarError):
        raise answer
    return answer


async def test_a_process_gives_the_frames_of_this_one() -> None:
    local = LocalBench(load(), Workers(1))
    async with process_bench() as bench:
        parts = []
        for each in (bench, local):
            work = await each.open(16_000, StreamRequest(face={"unknown": 1.0}))
            assert (work.opened.sample_rate, work.opened.fps, work.opened.ignored) == (16_000, 30, ("unknown",))
            first = await turn(work, (speech(0.7), ()), (speech(0.3), [(0.5, {"joy": 1.0})]))
            parts.append([first, await turn(work, (speech(0.5), ()), last=True)])
            work.leave()
        assert parts[0] == parts[1]
        assert sum(len(part.messages) for part in parts[0]) == 46
    await local.close()


async def test_errors_keep_their_kind_and_other_clips_go_on() -> None:
    async with process_bench() as bench:
        work = await bench.open(16_000, StreamRequest())
        with pytest.raises(UnprocessableError, match="skinStrength = 9"):
            await bench.open(16_000, StreamRequest(face={"skinStrength": 9.0}))
        with pytest.raises(UnprocessableError, match=r"emotion\.joy"):
            await turn(work, (b"", [(0.0, {"joy": 2.0})]))
        assert len((await turn(work, (speech(1.0), ()), last=True)).messages) == 31
        work.leave()
        with pytest.raises(AvatarError, match="the inference failed"):
            await turn(work, (b"", ()))


async def test_a_process_that_dies_ends_its_clips_and_is_replaced() -> None:
    async with process_bench() as bench:
        work = await bench.open(16_000, StreamRequest())
        (child,) = multiprocessing.active_children()
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join(10)
        with pytest.raises(AvatarError, match="the inference failed"):
            await turn(work, (speech(1.0), ()))
        again = await bench.open(16_000, StreamRequest())
        assert len((await turn(again, (speech(1.0), ()))).messages) > 0


async def test_a_process_that_cannot_load_says_so() -> None:
    bench = ProcessBench(fail)
    with pytest.raises(EngineUnavailableError, match="the log says why"):
        await bench.start()
    await bench.close()


async def test_streams_are_shared_among_processes_and_the_service_answers_alike() -> None:
    async with running() as here, process_bench() as first, process_bench_beside() as second:
        usual = await played(here.address, clip(speech(1.0)))
        local, here.service.benches = here.service.benches, [first, second]
        try:
            answers = await asyncio.gather(*(played(here.address, clip(speech(1.0))) for _ in range(4)))
            refused = await played(here.address, [header(face_params={"float_params": {"skinStrength": 9.0}})])
            many = await played(here.address, [header(), buffer(b"", [(0.0, {"joy": 2.0})])], half_close=True)
        finally:
            here.service.benches = local
    assert all(answer.messages[1:] == usual.messages[1:] for answer in answers)
    assert (refused.code, many.code) == (grpc.StatusCode.INVALID_ARGUMENT,) * 2
    assert "skinStrength" in refused.told(Code.ERROR)


@asynccontextmanager
async def process_bench_beside() -> AsyncIterator[ProcessBench]:
    bench = ProcessBench(load)
    await bench.start()
    yield bench
    await bench.close()


async def test_a_client_that_leaves_while_a_process_is_replaced_breaks_nothing() -> None:
    async with process_bench() as bench:
        work = await bench.open(16_000, StreamRequest())
        (child,) = multiprocessing.active_children()
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join(10)
        with pytest.raises(AvatarError, match="the inference failed"):
            await turn(work, (speech(1.0), ()))
        leaving = asyncio.create_task(bench.open(16_000, StreamRequest()))
        await asyncio.sleep(0.2)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        again = await bench.open(16_000, StreamRequest())
        assert len((await turn(again, (speech(1.0), ()))).messages) > 0
        assert len(multiprocessing.active_children()) == 1
