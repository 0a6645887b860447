"""A language model's answer streamed to the client, with what follows the model fed as it is written."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio.from_thread
import orjson

from comps.core.client import stream_bytes
from comps.core.error_shape import error_body
from comps.core.errors import AvatarError
from megaservice.flow.llm import chat_deltas, sentences
from megaservice.metrics import metrics
from megaservice.node import Node, Nodes
from megaservice.stream_graph import Message, Stage, StreamGraph

if TYPE_CHECKING:
    from megaservice.orchestrator import Request, ServiceOrchestrator


class StreamedAnswer:
    """The answer of the model `node`, and of all nodes after it."""

    def __init__(self, orchestrator: ServiceOrchestrator, nodes: Nodes, node: Node, request: Request) -> None:
        self._orchestrator, self._nodes, self._node, self._request = orchestrator, nodes, node, request

    def chunks(self, body: Any) -> Chunks:
        """What the client gets: the model's own bytes, or one event per output of a leaf after it."""
        after = self._request.graph.all_downstreams(self._node.service.name)
        return Chunks(_measured(self._events(body, after) if after else self._bytes(body)))

    async def _bytes(self, body: Any) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(stream_bytes(self._node.client, self._node.request(body))) as pieces:
                async for piece in pieces:
                    yield piece
        except AvatarError as error:
            yield _event(error_body(error, self._node.short_name))

    async def _events(self, body: Any, after: list[str]) -> AsyncGenerator[bytes, None]:
        try:
            async with self._graph(after).run(self._sentences(body)) as outputs:
                async for _, output in outputs:
                    yield _event(output)
        except AvatarError as error:
            yield _event(error_body(error, self._node.short_name))
            return
        yield b"data: [DONE]\n\n"

    async def _sentences(self, body: Any) -> AsyncIterator[dict[str, Any]]:
        async with (
            aclosing(stream_bytes(self._node.client, self._node.request(body))) as pieces,
            aclosing(chat_deltas(pieces, self._node.short_name)) as deltas,
            aclosing(sentences(deltas)) as said,
        ):
            async for sentence in said:
                yield {"text": sentence.text}

    def _graph(self, after: list[str]) -> StreamGraph:
        graph = StreamGraph()
        for name in after:
            graph.add(name, self._stage(name, after), join="pair")
        for name in after:
            for further in self._request.graph.downstream(name):
                graph.flow_to(name, further)
        return graph

    def _stage(self, name: str, after: list[str]) -> Stage:
        before = [other for other in self._request.graph.predecessors(name) if other in after]

        async def stage(messages: AsyncIterator[Message]) -> AsyncGenerator[Message, None]:
            async for message in messages:
                outputs = dict(zip(before, message, strict=True)) if isinstance(message, tuple) else {}
                inputs = self._orchestrator.process_outputs(before, outputs) if outputs else message
                yield await self._orchestrator.execute(name, inputs, self._request)

        return stage


class Chunks:
    """Bytes that can be iterated with ``async for``, or with ``for`` in a worker thread as OPEA's hooks do."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                yield anyio.from_thread.run(self._pieces.__anext__)
            except StopAsyncIteration:
                return


async def _measured(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """`pieces`, counted as pending work, with the latencies of the first and of the others noted."""
    started = last = time.monotonic()
    first_s: float | None = None
    latency = metrics.first_token
    with metrics.working():
        async with aclosing(pieces):
            async for piece in pieces:
                now = time.monotonic()
                latency.observe(now - last)
                latency, last = metrics.inter_token, now
                first_s = first_s or now - started
                yield piece
    metrics.finished(time.monotonic() - started, first_s)


def _event(body: Any) -> bytes:
    data = {"byte_length": len(body)} if isinstance(body, bytes) else body
    return b"data: " + orjson.dumps(data) + b"\n\n"
