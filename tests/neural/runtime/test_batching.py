from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.neural import batching
from comps.animation.neural.batching import SharedBatch, is_out_of_memory
from comps.core.errors import BusyError, EngineUnavailableError, NotReadyError


class Network:
    """Squares its items; fails where it is told to, and waits while `gate` is closed."""

    def __init__(self, bad: frozenset[int] = frozenset(), room: int = 10**6) -> None:
        self.bad = bad
        self.room = room
        self.calls: list[list[int]] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()

    def __call__(self, items: list[int]) -> list[int]:
        self.started.set()
        assert self.gate.wait(30)
        self.threads.add(threading.get_ident())
        if len(items) > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        for item in items:
            if item in self.bad:
                raise ValueError(f"bad {item}")
        self.calls.append(list(items))
        return [item * item for item in items]


async def started(network: Network) -> None:
    assert await asyncio.to_thread(network.started.wait, 30)


@st.composite
def arrivals(draw: st.DrawFn) -> list[tuple[int, int, int, bool]]:
    """(session, pauses before it, pauses until it is cancelled or -1, fails) per item."""
    one = st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(-1, 4), st.booleans())
    return draw(st.lists(one, max_size=40))


@settings(max_examples=60, deadline=None)
@given(arrivals(), st.integers(1, 9), st.sampled_from([0.0, 0.002]), st.integers(1, 10))
def test_every_item_gets_its_own_answer(
    items: list[tuple[int, int, int, bool]], max_batch: int, wait: float, room: int
) -> None:
    network = Network(frozenset(i for i, item in enumerate(items) if item[3]), room)

    async def one(shared: SharedBatch[int, int], index: int) -> int:
        session, _, patience, _ = items[index]
        task = asyncio.create_task(shared.submit(index, session))
        if patience >= 0:
            for _ in range(patience):
                await asyncio.sleep(0)
            task.cancel()
        return await task

    async def all_of_them() -> tuple[list[Any], SharedBatch[int, int]]:
        shared = SharedBatch(network, max_batch, wait)
        tasks = []
        for index, item in enumerate(items):
            tasks.append(asyncio.create_task(one(shared, index)))
            for _ in range(item[1]):
                await asyncio.sleep(0)
        answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        await shared.close()
        return answers, shared

    answers, shared = asyncio.run(all_of_them())
    for index, (answer, (_, _, patience, fails)) in enumerate(zip(answers, items, strict=True)):
        if isinstance(answer, asyncio.CancelledError):
            assert patience >= 0
        elif fails:
            assert isinstance(answer, ValueError)
            assert str(answer) == f"bad {index}"
        else:
            assert answer == index * index
    assert all(len(call) <= min(max_batch, room) for call in network.calls)
    assert len(network.threads) <= 1
    done = [index for call in network.calls for index in call]
    assert len(done) == len(set(done)), "an item whose call succeeded ran twice"
    assert shared.counts.items == len(done)


async def test_sessions_share_one_call_and_keep_their_order() -> None:
    network = Network()
    shared = SharedBatch(network, 6, 30.0)
    answers = await asyncio.gather(*(shared.submit(i, session=i % 3) for i in range(6)))
    assert answers == [i * i for i in range(6)]
    assert network.calls == [[0, 1, 2, 3, 4, 5]]
    await shared.close()


async def test_a_busy_session_does_not_hold_up_a_quiet_one() -> None:
    network = Network()
    network.gate.clear()
    shared = SharedBatch(network, 2, 0.0)
    first = asyncio.create_task(shared.submit(0, "busy"))
    await started(network)
    others = [asyncio.create_task(shared.submit(i, "busy")) for i in range(1, 7)]
    quiet = asyncio.create_task(shared.submit(100, "quiet"))
    await asyncio.sleep(0)
    network.gate.set()
    await asyncio.gather(first, quiet, *others)
    assert network.calls[1] == [1, 100]
    assert [i for call in network.calls for i in call if i < 100] == list(range(7))
    await shared.close()


async def test_turns_go_round_when_there_are_more_sessions_than_places() -> None:
    network = Network()
    network.gate.clear()
    shared = SharedBatch(network, 2, 0.0)
    first = asyncio.create_task(shared.submit(9, "x"))
    await started(network)
    tasks = [asyncio.create_task(shared.submit(10 * s + i, s)) for s in (1, 2, 3) for i in range(2)]
    await asyncio.sleep(0)
    network.gate.set()
    await asyncio.gather(first, *tasks)
    assert network.calls[1:] == [[10, 20], [30, 11], [21, 31]]
    await shared.close()


async def test_a_lone_item_does_not_wait_for_company_for_ever() -> None:
    shared = SharedBatch(Network(), 8, 0.01)
    assert await asyncio.wait_for(shared.submit(3), 30) == 9
    await shared.close()


async def test_cancelled_items_are_dropped_and_make_room() -> None:
    network = Network()
    network.gate.clear()
    shared = SharedBatch(network, 2, 0.0, max_pending=3)
    first = asyncio.create_task(shared.submit(1))
    await started(network)
    waiting = [asyncio.create_task(shared.submit(i)) for i in (2, 3, 4)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError, match="3 frames wait"):
        await shared.submit(5)
    for task in waiting[:2]:
        task.cancel()
    await asyncio.sleep(0)
    last = asyncio.create_task(shared.submit(5))
    await asyncio.sleep(0)
    network.gate.set()
    assert await asyncio.gather(first, waiting[2], last) == [1, 16, 25]
    assert network.calls == [[1], [4, 5]]
    await shared.close()


async def test_the_loop_runs_while_the_network_does() -> None:
    network = Network()
    network.gate.clear()
    shared = SharedBatch(network, 1, 0.0)
    task = asyncio.create_task(shared.submit(2))
    await started(network)
    assert not task.done()
    network.gate.set()
    assert await task == 4
    assert threading.get_ident() not in network.threads
    await shared.close()


async def test_close_answers_what_waits_and_takes_nothing_new() -> None:
    network = Network()
    shared = SharedBatch(network, 4, 50.0)
    tasks = [asyncio.create_task(shared.submit(i)) for i in range(3)]
    await asyncio.sleep(0)
    await shared.close()
    assert [await task for task in tasks] == [0, 1, 4]
    with pytest.raises(NotReadyError):
        await shared.submit(1)
    await shared.close()


async def test_close_of_one_never_used() -> None:
    await SharedBatch(Network(), 4, 0.01).close()


async def test_out_of_memory_halves_the_batch_and_grows_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_GROW_AFTER", 2)
    network = Network(room=2)
    shared = SharedBatch(network, 8, 5.0)
    assert await asyncio.gather(*(shared.submit(i) for i in range(8))) == [i * i for i in range(8)]
    assert {len(call) for call in network.calls} == {2}
    assert shared.counts.out_of_memory >= 2
    network.room = 8
    for _ in range(12):
        await asyncio.gather(*(shared.submit(i) for i in range(shared.limit)))
    assert shared.limit == 8
    await shared.close()


async def test_no_memory_for_one_item_is_a_clear_error() -> None:
    shared = SharedBatch(Network(room=0), 4, 0.0)
    with pytest.raises(EngineUnavailableError, match="not enough memory for one frame"):
        await shared.submit(1)
    await shared.close()


async def test_a_network_that_loses_results_fails_its_items() -> None:
    shared: SharedBatch[int, int] = SharedBatch(lambda items: items[1:], 4, 0.0)
    with pytest.raises(RuntimeError, match="0 results for 1"):
        await shared.submit(1)
    await shared.close()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, StopIteration])
async def test_what_would_end_the_loop_is_an_error_of_its_item(error: type[BaseException]) -> None:
    def leave(items: list[int]) -> list[int]:
        raise error

    shared = SharedBatch(leave, 4, 0.0)
    with pytest.raises(RuntimeError, match=error.__name__):
        await asyncio.wait_for(shared.submit(1), 30)
    await shared.close()


@pytest.mark.parametrize("bad", [(0, 0.1, 4), (4, -1, 4), (4, float("nan"), 4), (4, 0.1, 0)])
def test_bounds_are_checked(bad: tuple[int, float, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        SharedBatch(Network(), bad[0], bad[1], max_pending=bad[2])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory."), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
