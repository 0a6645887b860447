"""Time, cancellation and failure carried to every node, by URL and in this process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from comps import LLMParams, MicroService, ServiceOrchestrator, ServiceType
from comps.core.context import DEADLINE_HEADER, REQUEST_ID_HEADER, deadline_var, request_id_var
from comps.core.errors import UpstreamError, UpstreamTimeoutError
from comps.core.serve import running
from megaservice.node import NodeOptions
from tests.megaservice.stubs import no_leaks, service

QUIET = LLMParams(stream=False)
WHERE = ["url", "in process"]


class Stage:
    """A service that notes what reaches it; its routes are ``/v1/{pass,wait,chat,half,refuse}``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.headers: list[dict[str, str]] = []
        self.waiting, self.stopped = asyncio.Event(), asyncio.Event()
        self.app = service(name)
        for route in ("pass", "wait", "chat", "half", "refuse"):
            self.app.add_api_route(f"/v1/{route}", getattr(self, route + "_"), methods=["POST"], response_model=None)

    async def pass_(self, request: Request) -> dict[str, Any]:
        self.headers.append(dict(request.headers))
        return {self.name: sorted(await request.json())}

    async def wait_(self, request: Request) -> dict[str, Any]:
        await request.body()
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()
        return {}

    async def chat_(self, request: Request) -> Response:
        await request.body()

        async def deltas() -> AsyncIterator[bytes]:
            try:
                yield b'data: {"choices":[{"delta":{"content":"One fish. Two"}}]}\n\n'
                self.waiting.set()
                await asyncio.Event().wait()
            finally:
                self.stopped.set()

        return StreamingResponse(deltas(), media_type="text/event-stream")

    async def half_(self, request: Request) -> Response:
        async def deltas() -> AsyncIterator[bytes]:
            yield b'data: {"choices":[{"delta":{"content":"One fish. Two fish."}}]}\n\n'
            raise ConnectionError

        return StreamingResponse(deltas(), media_type="text/event-stream")

    async def refuse_(self, request: Request) -> Response:
        return Response("no room", 507)

    @asynccontextmanager
    async def node(self, where: str, route: str, kind: ServiceType = ServiceType.UNDEFINED) -> AsyncIterator[Any]:
        """The service as a node, and the options to add it with."""
        if where == "url":
            async with running(self.app) as url:
                yield (
                    MicroService(
                        self.name, host=url, endpoint=f"/v1/{route}", use_remote_service=True, service_type=kind
                    ),
                    NodeOptions(),
                )
        else:
            local = MicroService(self.name, endpoint=f"/v1/{route}", service_type=kind)
            local.add_route(f"/v1/{route}", getattr(self, route + "_"))
            yield local, NodeOptions(in_process=True)


@pytest.fixture(params=WHERE)
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_leaving_stops_the_node_at_work(where: str) -> None:
    stage = Stage("slow")
    async with no_leaks(), stage.node(where, "wait") as node, ServiceOrchestrator().add(*node) as orchestrator:
        task = asyncio.create_task(orchestrator.schedule({}, QUIET))
        await asyncio.wait_for(stage.waiting.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(stage.stopped.wait(), 10)


async def test_deadline_of_the_orchestrator_stops_the_node_at_work(where: str) -> None:
    stage = Stage("slow")
    async with no_leaks(), stage.node(where, "wait") as node, ServiceOrchestrator(0.5).add(*node) as orchestrator:
        with pytest.raises(UpstreamTimeoutError) as late:
            await orchestrator.schedule({}, QUIET)
        if stage.waiting.is_set():
            await asyncio.wait_for(stage.stopped.wait(), 10)
    assert (late.value.status, late.value.service) == (504, "slow")
    assert deadline_var.get() is None


async def test_id_and_what_is_left_of_the_time_reach_every_node(where: str) -> None:
    first, second = Stage("first"), Stage("second")
    orchestrator = ServiceOrchestrator(deadline_s=20)
    async with no_leaks(), first.node(where, "pass") as one, second.node(where, "pass") as two:
        orchestrator.add(*one).add(*two)
        orchestrator.flow_to(one[0], two[0])
        async with orchestrator:
            request_id_var.set("turn-9")
            await orchestrator.schedule({}, QUIET)
            deadline_var.set(asyncio.get_running_loop().time() + 5)
            await orchestrator.schedule({}, QUIET)
    assert {seen[REQUEST_ID_HEADER.lower()] for seen in first.headers + second.headers} == {"turn-9"}
    left = [[int(seen[DEADLINE_HEADER.lower()]) for seen in stage.headers] for stage in (first, second)]
    for (long, short), (later_long, later_short) in [left]:
        assert 15_000 < later_long <= long <= 20_000
        assert 0 < later_short <= short <= 5_000


async def test_closing_a_streamed_answer_stops_the_model(where: str) -> None:
    stage = Stage("llm")
    async with (
        no_leaks(),
        stage.node(where, "chat", ServiceType.LLM) as node,
        ServiceOrchestrator().add(*node) as orchestrator,
    ):
        results, _ = await orchestrator.schedule({"messages": []}, LLMParams())
        pieces = aiter(results["llm/MicroService"].body_iterator)
        assert b"One fish" in await anext(pieces)
        await asyncio.wait_for(stage.waiting.wait(), 10)
        await pieces.aclose()
        await asyncio.wait_for(stage.stopped.wait(), 10)


@pytest.mark.parametrize("route", ["half", "refuse"])
@pytest.mark.parametrize("followed", [False, True])
async def test_model_that_fails_while_streaming_ends_in_an_error_event(route: str, followed: bool) -> None:
    model, after = Stage("llm"), Stage("tts")
    orchestrator = ServiceOrchestrator()
    async with no_leaks(), model.node("url", route, ServiceType.LLM) as llm, after.node("url", "pass") as tts:
        orchestrator.add(*llm)
        if followed:
            orchestrator.add(*tts)
            orchestrator.flow_to(llm[0], tts[0])
        async with orchestrator:
            results, graph = await orchestrator.schedule({"messages": []}, LLMParams())
            body = b"".join([piece async for piece in results[graph.all_leaves()[-1]].body_iterator])
    *_, last = body.decode().strip().split("\n\n")
    assert last.startswith('data: {"error":{')
    assert '"service":"llm"' in last
    assert "[DONE]" not in body.decode()


async def test_node_after_the_model_that_fails_is_named_in_the_event() -> None:
    model, after = Stage("llm"), Stage("tts")
    orchestrator = ServiceOrchestrator()
    async with no_leaks(), model.node("url", "chat", ServiceType.LLM) as llm, after.node("url", "refuse") as tts:
        orchestrator.add(*llm).add(*tts)
        orchestrator.flow_to(llm[0], tts[0])
        async with orchestrator:
            results, _ = await orchestrator.schedule({"messages": []}, LLMParams())
            body = b"".join([piece async for piece in results["tts/MicroService"].body_iterator]).decode()
        await asyncio.wait_for(model.stopped.wait(), 10)
    assert '"service":"tts"' in body
    assert "no room" in body


async def test_requests_at_once_keep_their_own_time_and_answers(where: str) -> None:
    stage = Stage("echo")
    async with no_leaks(), stage.node(where, "pass") as node, ServiceOrchestrator().add(*node) as orchestrator:
        runs = await asyncio.gather(*(orchestrator.schedule({f"k{n}": n}, QUIET) for n in range(12)))
    assert [results["echo/MicroService"] for results, _ in runs] == [{"echo": [f"k{n}"]} for n in range(12)]


async def test_hook_that_breaks_is_no_fault_of_a_node() -> None:
    stage = Stage("a")
    async with no_leaks(), stage.node("url", "pass") as node, ServiceOrchestrator().add(*node) as orchestrator:

        def broken(*_: Any, **__: Any) -> Any:
            raise TypeError("a bug of the program")

        orchestrator.align_outputs = broken  # type: ignore[method-assign]
        with pytest.raises(TypeError, match="a bug of the program"):
            await orchestrator.schedule({}, QUIET)
        orchestrator.align_outputs = lambda data, *_, **__: data["absent"]  # type: ignore[method-assign]
        with pytest.raises(UpstreamError, match="an answer lacks 'absent'") as missing:
            await orchestrator.schedule({}, QUIET)
        assert missing.value.service == "a"


async def test_app_that_fails_to_start_is_told_before_the_first_request() -> None:
    local = MicroService("local", endpoint="/v1/x")

    @asynccontextmanager
    async def broken(_: Any) -> AsyncIterator[None]:
        raise ValueError("no model")
        yield

    local.app.router.lifespan_context = broken
    with pytest.raises(RuntimeError, match="no model"):
        async with no_leaks(), ServiceOrchestrator().add(local, NodeOptions(in_process=True)):
            pass


PROGRAM = """
import asyncio, sys
from comps import LLMParams, MicroService, ServiceOrchestrator, ServiceType
host, _, port = sys.argv[1].rpartition("//")[2].partition(":")
orchestrator = ServiceOrchestrator()
kind = ServiceType.UNDEFINED
node = MicroService("a", host=host, port=int(port), endpoint="/v1/pass", use_remote_service=True, service_type=kind)
orchestrator.add(node)
for _ in range(3):
    results, _ = asyncio.run(orchestrator.schedule({"x": 1}, LLMParams(stream=False)))
    print(results["a/MicroService"])
"""


async def test_program_with_one_loop_per_request_works_and_ends_without_complaint() -> None:
    stage = Stage("a")
    pipe = subprocess.PIPE
    async with running(stage.app) as url:
        program = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, url, stdout=pipe, stderr=pipe)
        said, complaints = await program.communicate()
    assert said.decode().splitlines() == ["{'a': ['x']}"] * 3
    assert complaints == b""
