"""The orchestrator against real services on loopback and in this process."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from graphlib import CycleError
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from comps import LLMParams, MicroService, ServiceOrchestrator, ServiceType
from comps.core.errors import AvatarError, UnknownChoiceError, UpstreamError, UpstreamTimeoutError
from comps.core.serve import running
from comps.core.web.metrics import PROCESS_REGISTRY
from megaservice.fan_in import FanInError, JoinedOutputs
from megaservice.node import NodeOptions
from tests.megaservice.stubs import no_leaks, service

Handler = Callable[[Request], Awaitable[Any]]
QUIET = LLMParams(stream=False)


def echo_app(seen: list[tuple[str, Any]]) -> FastAPI:
    """``/NAME`` answers ``{NAME: sorted keys of the body}``; other routes misbehave."""
    app = service("echo")

    @app.post("/html", response_model=None)
    async def html() -> Response:
        return HTMLResponse("<html>" + "x" * 500)

    @app.post("/refuse", response_model=None)
    async def refuse() -> None:
        raise UnknownChoiceError("no voice 'x'; there are: y", param="voice")

    @app.post("/fail", response_model=None)
    async def fail() -> Response:
        return Response("out of memory", status_code=500)

    @app.post("/half", response_model=None)
    async def half() -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b'{"text": "cut o'
            raise ConnectionError

        return StreamingResponse(body(), media_type="application/json", headers={"content-length": "100"})

    @app.post("/garbage", response_model=None)
    async def garbage() -> Response:
        return Response(b"\x00\xff{", media_type="application/json")

    @app.post("/slow", response_model=None)
    async def slow(request: Request) -> dict[str, str]:
        await request.body()
        seen.append(("slow", None))
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            seen.append(("slow stopped", None))
            raise
        return {}

    @app.post("/wav", response_model=None)
    async def wav() -> Response:
        return Response(b"RIFF", media_type="audio/wav")

    @app.post("/skip", response_model=None)
    async def skip() -> dict[str, Any]:
        return {"text": "no", "downstream_black_list": ["^b", "("]}

    @app.post("/chat", response_model=None)
    async def chat(request: Request) -> Response:
        seen.append(("chat", await request.json()))

        async def body() -> AsyncIterator[bytes]:
            for word in ("One ", "fish. ", "Two ", "fish."):
                yield b'data: {"choices":[{"delta":{"content":"' + word.encode() + b'"}}]}\n\n'
            yield b"data: [DONE]\n\n"

        return StreamingResponse(body(), media_type="text/event-stream")

    @app.post("/{name}", response_model=None)
    async def echo(name: str, request: Request) -> dict[str, Any]:
        body = await request.json()
        seen.append((name, body))
        return {name: sorted(body), "id": name}

    return app


class World:
    """One server and stubs of services on it."""

    def __init__(self, url: str, seen: list[tuple[str, Any]]) -> None:
        self.url, self.seen = url, seen
        self.orchestrator = ServiceOrchestrator()

    def stub(self, name: str, path: str = "", kind: ServiceType = ServiceType.UNDEFINED) -> MicroService:
        return MicroService(
            name, host=self.url, endpoint=path or f"/{name}", use_remote_service=True, service_type=kind
        )

    def graph(self, *flows: str, **paths: str) -> ServiceOrchestrator:
        """Flows are ``a>b``; `paths` are endpoints other than ``/name``."""
        stubs: dict[str, MicroService] = {}
        for name in dict.fromkeys(node for flow in flows for node in flow.split(">")):
            stubs[name] = self.stub(name, paths.get(name, ""))
            self.orchestrator.add(stubs[name])
        for flow in flows:
            nodes = flow.split(">")
            for before, after in itertools.pairwise(nodes):
                assert self.orchestrator.flow_to(stubs[before], stubs[after])
        return self.orchestrator


@asynccontextmanager
async def make_world() -> AsyncIterator[World]:
    seen: list[tuple[str, Any]] = []
    async with no_leaks(), running(echo_app(seen)) as url:
        one = World(url, seen)
        async with one.orchestrator:
            yield one


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with make_world() as one:
        yield one


def key(name: str) -> str:
    return f"{name}/MicroService"


async def test_chain_passes_outputs_on(world: World) -> None:
    results, graph = await world.graph("a>b>c").schedule({"x": 1}, QUIET)
    assert results == {
        key("a"): {"a": ["x"], "id": "a"},
        key("b"): {"b": ["a", "id"], "id": "b"},
        key("c"): {"c": ["b", "id"], "id": "c"},
    }
    assert graph.all_leaves() == [key("c")]
    assert world.orchestrator.get_all_final_outputs(results, graph) == {key("c"): results[key("c")]}


async def test_join_gets_the_outputs_of_all_branches(world: World) -> None:
    results, _ = await world.graph("a>b>d", "a>c>d").schedule({"x": 1}, QUIET)
    assert results[key("d")]["d"] == ["b", "c"]
    assert next(name for name, _ in world.seen) == "a"
    assert [name for name, _ in world.seen][-1] == "d"


def test_outputs_that_clash_are_refused_and_kept_apart_by_node() -> None:
    orchestrator = ServiceOrchestrator()
    joined = orchestrator.process_outputs(
        ["p", "q"], {"p": {"t": 1, "s": 0, "id": "1"}, "q": {"u": 2, "s": 0, "id": "2"}}
    )
    assert isinstance(joined, JoinedOutputs)
    assert joined == {"t": 1, "s": 0, "u": 2}
    assert joined.by_node["q"]["id"] == "2"
    assert orchestrator.process_outputs(["p", "q"], {"p": b"x", "q": {"u": 2}}) == {"p": b"x", "u": 2}
    with pytest.raises(FanInError, match="'p' and 'q' both give 't'"):
        orchestrator.process_outputs(["p", "q"], {"p": {"t": 1}, "q": {"t": 2}})


async def test_hooks_of_one_instance_leave_others_alone(world: World) -> None:
    orchestrator = world.graph("a>b")
    orchestrator.align_inputs = lambda inputs, cur_node, *_, **extra: {**inputs, cur_node[0]: extra["voice"]}  # type: ignore[method-assign]
    orchestrator.align_outputs = lambda data, *_, **__: {"only": data["id"]}  # type: ignore[method-assign]
    results, _ = await orchestrator.schedule({"x": 1}, QUIET, voice="v")
    assert results[key("b")] == {"only": "b"}
    assert world.seen == [("a", {"x": 1, "a": "v"}), ("b", {"only": "a", "b": "v"})]
    assert ServiceOrchestrator().align_inputs({"x": 1}, "", orchestrator, {}) == {"x": 1}


async def test_hook_assigned_on_the_class_gets_self(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def align(self: ServiceOrchestrator, inputs: Any, cur_node: str, *_: Any, **__: Any) -> Any:
        return {**inputs, "type": self.services[cur_node].service_type.name}

    monkeypatch.setattr(ServiceOrchestrator, "align_inputs", align)
    await world.graph("a").schedule({}, QUIET)
    assert world.seen == [("a", {"type": "UNDEFINED"})]


async def test_models_get_the_sampling_parameters(world: World) -> None:
    llm = world.stub("a", kind=ServiceType.LLM)
    world.orchestrator.add(llm)
    await world.orchestrator.schedule({"query": "q"}, LLMParams(stream=False, temperature=0, max_tokens=7))
    body = world.seen[0][1]
    assert (body["query"], body["temperature"], body["max_tokens"]) == ("q", 0, 7)
    assert (body["stream"], body["streaming"]) == (False, False)


async def test_black_listed_branches_are_skipped(world: World, caplog: pytest.LogCaptureFixture) -> None:
    orchestrator = world.graph("s>b>d", "s>c>d", s="/skip")
    results, graph = await orchestrator.schedule({}, QUIET)
    assert set(results) == {key("s"), key("c"), key("d")}
    assert results[key("d")]["d"] == ["c", "id"]
    assert key("b") not in graph.graph
    assert "is not a regular expression" in caplog.text
    assert key("b") in orchestrator.graph


async def test_audio_answers_arrive_as_bytes(world: World) -> None:
    orchestrator = world.graph("a>b", a="/wav")
    orchestrator.align_outputs = lambda data, cur_node, *_, **__: {"n": len(data)} if cur_node == key("a") else data  # type: ignore[method-assign]
    results, _ = await orchestrator.schedule({}, QUIET)
    assert results[key("a")] == {"n": 4}


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/html", 502, "a answered text/html instead of JSON: <html>xxx"),
        ("/fail", 502, "a answered with status 500: out of memory"),
        ("/half", 502, "the connection to a failed"),
        ("/garbage", 502, "a answered broken JSON: "),
        ("/refuse", 422, "no voice 'x'; there are: y"),
    ],
)
async def test_failures_name_the_node(world: World, path: str, status: int, says: str) -> None:
    with pytest.raises(AvatarError) as caught:
        await world.graph("a>b", a=path).schedule({"x": 1}, QUIET)
    assert caught.value.status == status
    assert says in caught.value.message
    assert len(caught.value.message) < 400
    assert world.seen == []


async def test_service_that_is_down_is_502() -> None:
    orchestrator = ServiceOrchestrator()
    orchestrator.add(MicroService("tts", host="127.0.0.1", port=9, use_remote_service=True))
    with pytest.raises(UpstreamError, match="tts cannot be reached") as caught:
        await orchestrator.schedule({}, QUIET)
    assert (caught.value.status, caught.value.service) == (502, "tts")
    await orchestrator.aclose()


async def test_slow_node_is_504_and_its_work_stops(world: World) -> None:
    world.orchestrator.add(world.stub("slow"), NodeOptions(timeout_s=1))
    with pytest.raises(UpstreamTimeoutError) as caught:
        await world.orchestrator.schedule({}, QUIET)
    assert (caught.value.status, caught.value.service) == (504, "slow")
    await until_seen(world, "slow stopped")


async def test_failure_in_one_branch_stops_the_other(world: World) -> None:
    with pytest.raises(AvatarError, match="no voice"):
        await world.graph("a>slow", "a>b>bad", slow="/slow", bad="/refuse").schedule({}, QUIET)
    await until_seen(world, "slow stopped")


async def test_leaving_stops_the_nodes(world: World) -> None:
    task = asyncio.create_task(world.graph("a>slow", slow="/slow").schedule({}, QUIET))
    await until_seen(world, "slow")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until_seen(world, "slow stopped")


async def test_pending_gauge_returns_to_zero_and_latency_counts_successes(world: World) -> None:
    orchestrator = world.graph("bad", bad="/fail")
    before = sample("megaservice_request_latency_count")
    for _ in range(3):
        with pytest.raises(UpstreamError):
            await orchestrator.schedule({}, QUIET)
    assert sample("megaservice_request_pending") == 0
    assert sample("megaservice_request_latency_count") == before
    good = ServiceOrchestrator()
    good.add(world.stub("a"))
    async with good:
        await good.schedule({}, QUIET)
    assert sample("megaservice_request_latency_count") == before + 1


async def test_missing_answer_of_a_predecessor_is_its_fault(world: World) -> None:
    orchestrator = world.graph("a>b")
    orchestrator.align_inputs = lambda inputs, cur_node, *_, **__: (  # type: ignore[method-assign]
        inputs if cur_node == key("a") else inputs["asr_result"]
    )
    with pytest.raises(UpstreamError, match="an answer lacks 'asr_result'"):
        await orchestrator.schedule({}, QUIET)


async def test_streamed_model_is_a_streaming_response(world: World) -> None:
    world.orchestrator.add(world.stub("chat", kind=ServiceType.LLM))
    results, _ = await world.orchestrator.schedule({"messages": []}, LLMParams())
    response = results[key("chat")]
    assert isinstance(response, StreamingResponse)
    body = b"".join([bytes(piece) async for piece in response.body_iterator])  # type: ignore[arg-type]
    assert body.count(b"data:") == 5
    assert sample("megaservice_request_pending") == 0
    assert sample("megaservice_first_token_latency_count") > 0


async def test_what_follows_a_streamed_model_gets_its_sentences(world: World) -> None:
    chat, one, two = world.stub("chat", kind=ServiceType.LLM), world.stub("one"), world.stub("two")
    orchestrator = world.orchestrator.add(chat).add(one).add(two)
    orchestrator.flow_to(chat, one)
    orchestrator.flow_to(chat, two)
    results, _ = await orchestrator.schedule({"messages": []}, LLMParams())
    assert set(results) == {key("one"), key("two")}
    response = results[key("one")]
    body = b"".join([bytes(piece) async for piece in response.body_iterator])
    assert body.count(b"data:") == 5
    assert body.endswith(b"data: [DONE]\n\n")
    assert [b for n, b in world.seen if n == "two"] == [{"text": "One fish."}, {"text": "Two fish."}]


async def test_generator_hook_written_for_opea_may_iterate_plainly(world: World) -> None:
    def shout(gen: Any, **_: Any) -> Any:
        for piece in gen:
            yield piece.upper()

    world.orchestrator.add(world.stub("chat", kind=ServiceType.LLM))
    world.orchestrator.align_generator = shout  # type: ignore[method-assign]
    results, _ = await world.orchestrator.schedule({"messages": []}, LLMParams())
    body = b"".join([bytes(piece) async for piece in results[key("chat")].body_iterator])
    assert b"FISH." in body


async def test_node_in_this_process_is_called_over_its_app() -> None:
    local = MicroService("local", endpoint="/v1/double", service_type=ServiceType.UNDEFINED)

    async def double(request: Request) -> dict[str, int]:
        return {"n": 2 * (await request.json())["n"]}

    local.add_route("/v1/double", double)
    orchestrator = ServiceOrchestrator().add(local, NodeOptions(in_process=True))
    async with no_leaks(), orchestrator:
        results, _ = await orchestrator.schedule({"n": 21}, QUIET)
    assert results == {key("local"): {"n": 42}}


def test_edges_that_cannot_be_are_false_or_raised(caplog: pytest.LogCaptureFixture) -> None:
    orchestrator = ServiceOrchestrator()
    a, b = (MicroService(name, use_remote_service=True) for name in "ab")
    orchestrator.add(a)
    with pytest.raises(ValueError, match="already part"):
        orchestrator.add(a)
    assert orchestrator.flow_to(a, b) is False
    with pytest.raises(KeyError):
        orchestrator.flow_to(a, b, strict=True)
    orchestrator.add(b)
    assert orchestrator.flow_to(a, b) is True
    assert orchestrator.flow_to(b, a) is False
    with pytest.raises(CycleError):
        orchestrator.flow_to(b, a, strict=True)
    assert "would close a cycle" in caplog.text


def sample(name: str) -> float:
    return PROCESS_REGISTRY.get_sample_value(name) or 0.0


async def until_seen(world: World, what: str) -> None:
    for _ in range(200):
        if what in [name for name, _ in world.seen]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"'{what}' was not seen")
