"""Graphs that stream: branches, joins, back-pressure, failures, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.core.errors import UpstreamError
from megaservice.stream_graph import NodeFailedError, Stage, StreamGraph
from tests.megaservice.stubs import no_leaks


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


def mapped(function: Any) -> Stage:
    async def stage(messages: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        async for message in messages:
            yield function(message)

    return stage


async def results(graph: StreamGraph, source: AsyncIterator[Any]) -> list[tuple[str, Any]]:
    async with no_leaks(), graph.run(source) as outputs:
        return [output async for output in outputs]


async def test_chain_keeps_order() -> None:
    graph = StreamGraph().add("a", mapped(lambda n: n + 1)).add("b", mapped(lambda n: n * 10)).flow_to("a", "b")
    assert await results(graph, numbers(4)) == [("b", 10), ("b", 20), ("b", 30), ("b", 40)]


async def test_every_successor_gets_every_message() -> None:
    graph = StreamGraph().add("a", mapped(lambda n: n)).add("b", mapped(lambda n: n)).add("c", mapped(lambda n: -n))
    graph.flow_to("a", "b").flow_to("a", "c")
    got = await results(graph, numbers(20))
    assert [message for leaf, message in got if leaf == "b"] == list(range(20))
    assert [message for leaf, message in got if leaf == "c"] == [-n for n in range(20)]


async def test_join_merges_or_pairs() -> None:
    for join, expected in (("merge", 20), ("pair", 10)):
        graph = StreamGraph().add("a", mapped(lambda n: ("a", n))).add("b", mapped(lambda n: ("b", n)))
        graph.add("c", mapped(lambda m: m), join=join).flow_to("a", "c").flow_to("b", "c")  # type: ignore[arg-type]
        got = [message for _, message in await results(graph, numbers(10))]
        assert len(got) == expected
        if join == "pair":
            assert got == [(("a", n), ("b", n)) for n in range(10)]
        else:
            assert sorted(got) == sorted([(name, n) for name in "ab" for n in range(10)])


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 4))
def test_filters_and_repeats_lose_nothing_whatever_the_queues(counts: list[int], size: int) -> None:
    async def repeat(messages: AsyncIterator[int]) -> AsyncGenerator[int, None]:
        async for index in messages:
            for _ in range(counts[index]):
                yield index

    async def run() -> list[tuple[str, Any]]:
        graph = StreamGraph(size).add("r", repeat).add("s", mapped(str)).flow_to("r", "s")
        return await results(graph, numbers(len(counts)))

    assert [message for _, message in asyncio.run(run())] == [str(i) for i, n in enumerate(counts) for _ in range(n)]


async def test_slow_consumer_holds_the_source_back() -> None:
    taken = 0

    async def source() -> AsyncIterator[int]:
        nonlocal taken
        for number in range(1000):
            taken = number
            yield number

    graph = StreamGraph(queue_messages=2).add("a", mapped(lambda n: n)).add("b", mapped(lambda n: n)).flow_to("a", "b")
    async with no_leaks(), graph.run(source()) as outputs:
        assert await anext(outputs) == ("b", 0)
        await asyncio.sleep(0.05)
        assert taken < 20


async def test_error_names_its_node_and_stops_the_others() -> None:
    stopped = asyncio.Event()

    async def endless(messages: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        try:
            await asyncio.sleep(60)
            yield
        finally:
            stopped.set()

    async def broken(messages: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        yield await anext(messages)
        raise UpstreamError("no")

    graph = StreamGraph().add("endless", endless).add("broken", broken)
    got: list[Any] = []

    async def collect() -> None:
        async with no_leaks(), graph.run(numbers(5)) as outputs:
            async for output in outputs:
                got.append(output)

    with pytest.raises(UpstreamError) as caught:
        await collect()
    assert caught.value.service == "broken"
    assert got == [("broken", 0)]
    assert stopped.is_set()


async def test_unforeseen_error_is_wrapped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    graph = StreamGraph().add("a", mapped(lambda n: 1 // n))
    with pytest.raises(NodeFailedError, match="node 'a' failed") as caught:
        await results(graph, numbers(1))
    assert caught.value.status == 500
    assert "division" not in caught.value.message
    assert "ZeroDivisionError" in caplog.text


async def test_failing_source_ends_the_run() -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        raise UpstreamError("the microphone is gone")

    graph = StreamGraph().add("a", mapped(lambda n: n))
    with pytest.raises(UpstreamError, match="microphone"):
        await results(graph, source())


async def test_node_that_has_enough_stops_its_source() -> None:
    async def first(messages: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        yield await anext(messages)

    graph = StreamGraph().add("a", mapped(lambda n: n)).add("first", first).flow_to("a", "first")
    assert await results(graph, numbers(10_000_000)) == [("first", 0)]


async def test_leaving_early_and_being_cancelled_leave_nothing() -> None:
    closed = asyncio.Event()

    async def stage(messages: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        try:
            async for message in messages:
                yield message
        finally:
            await asyncio.sleep(0)
            closed.set()

    async def consume(*, forever: bool) -> None:
        async with StreamGraph().add("a", stage).run(numbers(1000)) as outputs:
            async for _ in outputs:
                await asyncio.sleep(60 if forever else 0)
                return

    async with no_leaks():
        await consume(forever=False)
        assert closed.is_set()
        closed.clear()
        task = asyncio.create_task(consume(forever=True))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert closed.is_set()


NAMES = "abcdef"
forward_edges = st.sets(
    st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda edge: edge[0] < edge[1]), max_size=9
)


def passing_graph(edges: set[tuple[int, int]], size: int) -> StreamGraph:
    graph = StreamGraph(size)
    for name in NAMES:
        graph.add(name, mapped(lambda message: message))
    for before, after in sorted(edges):
        graph.flow_to(NAMES[before], NAMES[after])
    return graph


def ways_to(edges: set[tuple[int, int]]) -> dict[str, int]:
    """How many paths lead from the source to each node: what passes everything on gets each message as often."""
    ways: dict[int, int] = {}
    for node in range(len(NAMES)):
        before = [start for start, end in edges if end == node]
        ways[node] = sum(ways[start] for start in before) if before else 1
    return {NAMES[node]: count for node, count in ways.items()}


@settings(deadline=None, max_examples=40)
@given(forward_edges, st.integers(0, 12), st.integers(1, 3))
def test_any_graph_delivers_every_message_along_every_path(edges: set[tuple[int, int]], count: int, size: int) -> None:
    got = asyncio.run(results(passing_graph(edges, size), numbers(count)))
    ways = ways_to(edges)
    leaves = [NAMES[node] for node in range(len(NAMES)) if node not in {start for start, _ in edges}]
    assert {leaf for leaf, _ in got} == (set(leaves) if count else set())
    for leaf in leaves:
        assert sorted(message for name, message in got if name == leaf) == sorted(list(range(count)) * ways[leaf])


@settings(deadline=None, max_examples=30)
@given(forward_edges, st.sampled_from(NAMES), st.integers(0, 6))
def test_any_node_that_fails_ends_any_graph(edges: set[tuple[int, int]], broken: str, after: int) -> None:
    def fail(message: int) -> int:
        if message >= after:
            raise UpstreamError("no")
        return message

    graph = passing_graph(edges, 1)
    graph._stages[broken] = mapped(fail)
    with pytest.raises(UpstreamError) as caught:
        asyncio.run(results(graph, numbers(after + 3)))
    assert caught.value.service == broken


@settings(deadline=None, max_examples=30)
@given(forward_edges, st.integers(0, 5))
def test_any_graph_can_be_left_at_any_message(edges: set[tuple[int, int]], taken: int) -> None:
    async def leave() -> None:
        async with no_leaks(), passing_graph(edges, 1).run(numbers(1_000_000)) as outputs:
            for _ in range(taken):
                await anext(outputs)

    asyncio.run(leave())
