"""A DAG in streaming form: each node turns a stream of messages into another, all at the same time.

Edges are bounded queues. A node with several successors waits until each has taken a message, so
the slowest sets the pace; a node with several predecessors sees their messages merged as they come,
or paired. The first node that fails stops the others, and its error names it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from itertools import chain
from typing import Any, Literal

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from comps.core.errors import AvatarError
from megaservice.dag import DAG
from megaservice.tasks import end_tasks

# What travels along the edges is agreed between the nodes of a graph, not by the graph.
Message = Any
Stage = Callable[[AsyncIterator[Message]], AsyncGenerator[Message, None]]
Join = Literal["merge", "pair"]
Sender = MemoryObjectSendStream[Message]
Receiver = MemoryObjectReceiveStream[Message]

QUEUE_MESSAGES = 8

logger = logging.getLogger(__name__)


class NodeFailedError(AvatarError):
    """500: a node broke in a way it did not foresee; the log holds the cause."""

    code = "node_failed"


class StreamGraph:
    """Nodes that stream to each other.

    Args:
        queue_messages: messages an edge holds before its sender waits, at least 1.
    """

    def __init__(self, queue_messages: int = QUEUE_MESSAGES) -> None:
        self.dag = DAG()
        self._stages: dict[str, Stage] = {}
        self._joins: dict[str, Join] = {}
        self._queue_messages = queue_messages

    def add(self, name: str, stage: Stage, *, join: Join = "merge") -> StreamGraph:
        """Add a node; raises KeyError when the name is taken.

        With ``join="pair"`` and several predecessors the node gets tuples of one message from each,
        in the order of the edges, until one of them ends.
        """
        self.dag.add_node(name)
        self._stages[name] = stage
        self._joins[name] = join
        return self

    def flow_to(self, before: str, after: str) -> StreamGraph:
        """Send what `before` yields to `after`; raises KeyError or CycleError as `DAG.add_edge`."""
        self.dag.add_edge(before, after)
        return self

    @asynccontextmanager
    async def run(self, source: AsyncIterator[Message]) -> AsyncIterator[AsyncIterator[tuple[str, Message]]]:
        """Run the graph on `source`, which feeds every node without predecessors.

        Yields an iterator of ``(leaf, message)``. Leaving the context stops every node, wherever it
        is, and waits for it; the iterator raises the error of the first node that failed, after the
        messages that came before it.
        """
        run = _Run(self._stages, self._joins, self.dag.copy(), self._queue_messages)
        run.start(source)
        try:
            yield run.output()
        finally:
            await run.stop()


class _Run:
    """One execution: its queues and tasks."""

    def __init__(self, stages: dict[str, Stage], joins: dict[str, Join], dag: DAG, size: int) -> None:
        self._stages, self._joins, self._dag, self._size = stages, joins, dag, size
        self._senders: dict[str, list[Sender]] = {node: [] for node in stages}
        self._source_senders: list[Sender] = []
        self._inputs = {node: self._wire(node) for node in stages}
        sender, self._results = anyio.create_memory_object_stream[tuple[str, Message]](size)
        self._leaf_senders = {leaf: sender.clone() for leaf in dag.all_leaves()}
        sender.close()
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: BaseException | None = None

    def _wire(self, node: str) -> list[Receiver]:
        """Queues into `node`: one shared by all predecessors, or one of each when they are paired."""
        targets = [self._senders[before] for before in self._dag.predecessors(node)] or [self._source_senders]
        if self._joins[node] == "pair" and len(targets) > 1:
            return [self._queue([senders]) for senders in targets]
        return [self._queue(targets)]

    def _queue(self, targets: list[list[Sender]]) -> Receiver:
        sender, receiver = anyio.create_memory_object_stream[Message](self._size)
        for senders in targets:
            senders.append(sender.clone())
        sender.close()
        return receiver

    def start(self, source: AsyncIterator[Message]) -> None:
        self._tasks.append(asyncio.create_task(self._feed(source)))
        self._tasks += [asyncio.create_task(self._drive(node), name=f"node:{node}") for node in self._stages]

    async def stop(self) -> None:
        """Cancel what still runs, wait for it, and free the queues."""
        try:
            await end_tasks(self._tasks, cancel=self._failure is None)
        finally:
            self._results.close()
            _close_all(chain(*self._inputs.values()))
            _close_all(chain(self._source_senders, self._leaf_senders.values(), *self._senders.values()))

    async def output(self) -> AsyncIterator[tuple[str, Message]]:
        async for result in self._results:
            yield result
        if self._failure is not None:
            raise self._failure

    async def _feed(self, source: AsyncIterator[Message]) -> None:
        try:
            async for message in source:
                if not await _send_all(self._source_senders, message):
                    return
        except Exception as error:  # noqa: BLE001 - task boundary: the consumer gets it
            self._fail("source", error)
        finally:
            _close_all(self._source_senders)

    async def _drive(self, node: str) -> None:
        """Pump one node from its queues to those of its successors, or to the output if it is a leaf."""
        leaf = self._leaf_senders.get(node)
        try:
            async with (
                aclosing(self._messages(node)) as messages,
                aclosing(self._stages[node](messages)) as outputs,
            ):
                async for message in outputs:
                    if leaf is not None:
                        await leaf.send((node, message))
                    elif not await _send_all(self._senders[node], message):
                        return
        except Exception as error:  # noqa: BLE001 - task boundary: the consumer gets it
            self._fail(node, error)
        finally:
            _close_all(self._senders[node] if leaf is None else [leaf])
            _close_all(self._inputs[node])

    async def _messages(self, node: str) -> AsyncGenerator[Message, None]:
        receivers = self._inputs[node]
        try:
            while True:
                if len(receivers) == 1:
                    yield await receivers[0].receive()
                else:
                    yield tuple([await receiver.receive() for receiver in receivers])
        except anyio.EndOfStream:
            return

    def _fail(self, node: str, error: Exception) -> None:
        """Keep the first failure, named after its node, stop the other nodes and end the output."""
        if self._failure is None:
            self._failure = _named(node, error)
            for task in self._tasks:
                if task is not asyncio.current_task():
                    task.cancel()
            _close_all(self._leaf_senders.values())


async def _send_all(senders: list[Sender], message: Message) -> bool:
    """Give `message` to every successor that still listens; False when none does any more."""
    for sender in list(senders):
        try:
            await sender.send(message)
        except anyio.BrokenResourceError:
            senders.remove(sender)
            sender.close()
    return bool(senders)


def _close_all(streams: Iterable[Sender] | Iterable[Receiver]) -> None:
    for stream in streams:
        stream.close()


def _named(node: str, error: Exception) -> Exception:
    if isinstance(error, AvatarError):
        error.service = error.service or node
        return error
    logger.error("node '%s' failed", node, exc_info=error)
    failure = NodeFailedError(f"node '{node}' failed unexpectedly", service=node)
    failure.__cause__ = error
    return failure
