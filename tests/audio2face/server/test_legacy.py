"""The pair of services before 2.0: audio to A2FService, animation from it to an AnimationDataService of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from comps.animation.audio2face.names import ALL_SHAPES
from comps.animation.audio2face.proto import a2f_pb2, animation_data_pb2, status_pb2
from comps.animation.audio2face.server import legacy
from comps.animation.audio2face.server.listener import Listener
from tests.audio2face.server.harness import Running, audio_header, configuration, connected, emotions_of, running
from tests.audio2face.test_pipeline import speech

AudioStream = a2f_pb2.AudioStream
IDS = {"request_id": "request", "stream_id": "stream", "target_object_id": "claire"}


class Graph:
    """An animation graph: takes animation, and answers as it is told."""

    def __init__(self) -> None:
        self.received: list[animation_data_pb2.AnimationDataStream] = []
        self.refusal: grpc.StatusCode | None = None

    async def push(self, requests: AsyncIterator[Any], context: Any) -> Any:
        async for message in requests:
            self.received.append(message)
        if self.refusal:
            await context.abort(self.refusal, "the graph is full")
        return status_pb2.Status(code=status_pb2.Status.SUCCESS, message="shown")

    @property
    def kinds(self) -> list[str | None]:
        return [message.WhichOneof("stream_part") for message in self.received]


@asynccontextmanager
async def graph_server(graph: Graph) -> AsyncIterator[str]:
    method: Any = grpc.stream_unary_rpc_method_handler(
        graph.push,
        request_deserializer=animation_data_pb2.AnimationDataStream.FromString,
        response_serializer=status_pb2.Status.SerializeToString,
    )
    service, _, name = legacy.SINK[1:].partition("/")
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@asynccontextmanager
async def pair(sink: str, found: Any = None) -> AsyncIterator[tuple[Running, str]]:
    async with running(found) as service, grpc.aio.insecure_channel(sink) as channel:
        listener = Listener("127.0.0.1:0", {legacy.SERVICE: legacy.handler(service.service, channel)})
        await listener.start()
        try:
            yield service, f"127.0.0.1:{listener.port}"
        finally:
            await listener.stop(1)


def header(ids: Any = None, rate: int = 16_000) -> AudioStream:
    return AudioStream(audio_stream_header={"animation_ids": IDS | (ids or {}), "audio_header": audio_header(rate)})


def buffer(pcm: bytes, emotions: Sequence[Any] = ()) -> AudioStream:
    return AudioStream(audio_with_emotion={"audio_buffer": pcm, "emotions": emotions})


async def pushed(address: str, messages: Sequence[AudioStream]) -> status_pb2.Status:
    async def given() -> AsyncIterator[AudioStream]:
        for message in messages:
            yield message

    async with connected(address) as channel:
        call = channel.stream_unary(
            f"/{legacy.SERVICE}/PushAudioStream",
            request_serializer=AudioStream.SerializeToString,
            response_deserializer=status_pb2.Status.FromString,
        )
        found: status_pb2.Status = await asyncio.wait_for(call(given()), 20)
        return found


async def refused(address: str, messages: Sequence[AudioStream]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await pushed(address, messages)
    return raised.value.code(), raised.value.details() or ""


async def test_a_clip_goes_through_to_the_one_who_shows_it() -> None:
    graph, pcm = Graph(), speech(1.0)
    keys = [{"time_code": 0.5, "emotion": {"joy": 1.0}}]
    async with graph_server(graph) as sink, pair(sink) as (_, address):
        status = await pushed(address, [header(), buffer(pcm[:9_000], keys), buffer(pcm[9_000:])])
    assert (status.code, status.message) == (status_pb2.Status.SUCCESS, "shown")
    assert graph.kinds == ["animation_data_stream_header", *["animation_data"] * 31, "status"]
    first = graph.received[0].animation_data_stream_header
    assert (first.animation_ids.request_id, first.animation_ids.target_object_id) == ("request", "claire")
    assert first.source_service_id == "audio2face"
    assert list(first.skel_animation_header.blend_shapes) == list(ALL_SHAPES)
    frames = [message.animation_data for message in graph.received[1:-1]]
    assert b"".join(frame.audio.audio_buffer for frame in frames) == pcm
    assert emotions_of(frames[0]).input_emotions[0].time_code == 0.5
    assert graph.received[-1].status.code == status_pb2.Status.SUCCESS


async def test_an_id_that_is_too_long_is_refused() -> None:
    async with graph_server(Graph()) as sink, pair(sink) as (_, address):
        for name in IDS:
            code, text = await refused(address, [header({name: "x" * 51})])
            assert code == grpc.StatusCode.INVALID_ARGUMENT
            assert text == f"{name} has 51 characters; allowed is 50"
        assert (await pushed(address, [header({"stream_id": "x" * 50}), buffer(speech(0.1))])).code == 0


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([], grpc.StatusCode.INVALID_ARGUMENT),
        ([buffer(b"")], grpc.StatusCode.INVALID_ARGUMENT),
        ([header(), header()], grpc.StatusCode.INVALID_ARGUMENT),
        ([header(rate=8_000)], grpc.StatusCode.INVALID_ARGUMENT),
        ([header(), buffer(b"\0\0\0")], grpc.StatusCode.INVALID_ARGUMENT),
        ([header(), buffer(bytes(11 * 32_000))], grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
async def test_a_fault_of_the_client_has_its_code(messages: Sequence[AudioStream], code: grpc.StatusCode) -> None:
    async with graph_server(Graph()) as sink, pair(sink) as (service, address):
        assert (await refused(address, messages))[0] == code
        assert service.service.slots.taken == 0


async def test_a_graph_that_refuses_or_is_not_there_makes_the_call_unavailable() -> None:
    graph = Graph()
    graph.refusal = grpc.StatusCode.RESOURCE_EXHAUSTED
    async with graph_server(graph) as sink, pair(sink) as (_, address):
        code, text = await refused(address, [header(), buffer(speech(1.0))])
        assert code == grpc.StatusCode.UNAVAILABLE
        assert "RESOURCE_EXHAUSTED the graph is full" in text
    async with pair(sink) as (service, address):
        code, _ = await refused(address, [header(), buffer(speech(1.0))])
        assert code == grpc.StatusCode.UNAVAILABLE
        assert service.service.slots.taken == 0


async def test_a_legacy_stream_takes_a_place_like_any_other() -> None:
    graph = Graph()
    found = configuration(deployment={"common": {"stream_number": 1}})
    async with graph_server(graph) as sink, pair(sink, found) as (service, address):
        with service.service.slots.one():
            code, _ = await refused(address, [header(), buffer(speech(0.1))])
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await pushed(address, [header(), buffer(speech(0.1))])).code == 0
