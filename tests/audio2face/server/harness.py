"""A service on real sockets, and a client that does what NVIDIA's sample client does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from comps.animation.audio2face.configuration import (
    AdvancedConfig,
    Configuration,
    DeploymentConfig,
    Layers,
    StylizationConfig,
)
from comps.animation.audio2face.pipeline import Audio2Face, PipelineOptions
from comps.animation.audio2face.proto import audio_pb2, controller_pb2, emotion_aggregate_pb2, status_pb2
from comps.animation.audio2face.server import controller, export_config
from comps.animation.audio2face.server.bench import LocalBench
from comps.animation.audio2face.server.listener import Listener
from comps.animation.audio2face.server.metrics import StreamMetrics
from comps.animation.audio2face.server.service import Service
from comps.animation.audio2face.server.slots import Slots
from comps.animation.audio2face.server.workers import Workers
from comps.core.web.metrics import Metrics
from tests.audio2face.stand_in import LoudEmotions, LoudFace

RATE = 16_000
PATH = f"/{controller.SERVICE}/ProcessAudioStream"
Stream = controller_pb2.AudioStream
Answer = controller_pb2.AnimationDataStream
Code = status_pb2.Status


def configuration(
    advanced: Mapping[str, Any] | None = None,
    deployment: Mapping[str, Any] | None = None,
    style: Mapping[str, Any] | None = None,
) -> Configuration:
    return Configuration(
        stylization=StylizationConfig.model_validate(dict(style or {})),
        deployment=DeploymentConfig.model_validate(dict(deployment or {})),
        advanced=AdvancedConfig.model_validate({"pipeline_parameters": {"burst_mode": True}, **(advanced or {})}),
    )


@dataclass
class Running:
    service: Service
    model: LoudFace
    address: str

    @property
    def exposition(self) -> str:
        return self.metrics.exposition().decode()

    metrics: Metrics = field(default_factory=Metrics)


@asynccontextmanager
async def running(found: Configuration | None = None, options: PipelineOptions | None = None) -> AsyncIterator[Running]:
    """The streaming service with stand-ins for inference."""
    found = found or configuration()
    layers, metrics, model = Layers(found), Metrics(), LoudFace()
    total = found.deployment.common.stream_number
    measured = StreamMetrics(metrics, total)
    service = Service(layers, measured, Slots(total, measured.in_use))
    service.face = Audio2Face(layers, model, LoudEmotions(), options)
    service.benches = [LocalBench(service.face, Workers(2))]
    endpoints = {
        controller.SERVICE: controller.handler(service),
        export_config.SERVICE: export_config.handler(service),
    }
    listener = Listener("127.0.0.1:0", endpoints, streams=total)
    await listener.start()
    await listener.serving(ready=True)
    try:
        yield Running(service, model, f"127.0.0.1:{listener.port}", metrics)
    finally:
        model.gate.set()
        service.stopping.set()
        await listener.stop(5)
        for bench in service.benches:
            await bench.close()


def audio_header(rate: int = RATE, **changed: Any) -> audio_pb2.AudioHeader:
    usual = {"audio_format": 0, "channel_count": 1, "samples_per_second": rate, "bits_per_sample": 16}
    return audio_pb2.AudioHeader(**{**usual, **changed})


def header(rate: int = RATE, audio: Mapping[str, Any] | None = None, **parts: Any) -> Stream:
    found = controller_pb2.AudioStreamHeader(audio_header=audio_header(rate, **(audio or {})), **parts)
    return Stream(audio_stream_header=found)


def buffer(pcm: bytes, emotions: Sequence[tuple[float, Mapping[str, float]]] = ()) -> Stream:
    keys = [{"time_code": at, "emotion": dict(emotion)} for at, emotion in emotions]
    return Stream(audio_with_emotion={"audio_buffer": pcm, "emotions": keys})


END = Stream(end_of_audio=Stream.EndOfAudio())


def clip(pcm: bytes, rate: int = RATE, emotions: Sequence[tuple[float, Mapping[str, float]]] = ()) -> list[Stream]:
    """As the sample client sends a clip: a header, a second at a time and an empty rest, keyframes with the first."""
    second = 2 * rate
    pieces = [pcm[start : start + second] for start in range(0, len(pcm) + 1, second)]
    return [header(rate), *(buffer(piece, () if index else emotions) for index, piece in enumerate(pieces)), END]


@dataclass
class Heard:
    """What a call gave: the messages by kind, in order, and the gRPC code and text at its end."""

    messages: list[Answer] = field(default_factory=list)
    code: grpc.StatusCode | None = None
    details: str = ""

    @property
    def kinds(self) -> list[str]:
        return [str(message.WhichOneof("stream_part")) for message in self.messages]

    @property
    def names(self) -> list[str]:
        return list(self.messages[0].animation_data_stream_header.skel_animation_header.blend_shapes)

    @property
    def frames(self) -> list[Any]:
        return [
            message.animation_data for message in self.messages if message.WhichOneof("stream_part") == "animation_data"
        ]

    @property
    def audio(self) -> bytes:
        return b"".join(frame.audio.audio_buffer for frame in self.frames)

    @property
    def statuses(self) -> list[tuple[int, str]]:
        found = (message.status for message in self.messages if message.WhichOneof("stream_part") == "status")
        return [(status.code, status.message) for status in found]

    def told(self, code: int) -> str:
        """The text of the one status with this code."""
        (text,) = (text for found, text in self.statuses if found == code)
        return text


def emotions_of(frame: Any) -> emotion_aggregate_pb2.EmotionAggregate:
    found = emotion_aggregate_pb2.EmotionAggregate()
    assert list(frame.metadata) == ["emotion_aggregate"]
    assert frame.metadata["emotion_aggregate"].Unpack(found)
    return found


@asynccontextmanager
async def connected(
    address: str, credentials: grpc.ChannelCredentials | None = None, options: Sequence[tuple[str, Any]] = ()
) -> AsyncIterator[Any]:
    """A channel of its own connection."""
    settings = [("grpc.use_local_subchannel_pool", 1), *options]
    make = grpc.aio.insecure_channel if credentials is None else grpc.aio.secure_channel
    given = (address,) if credentials is None else (address, credentials)
    async with make(*given, options=settings) as channel:  # type: ignore[operator]
        yield channel


def opened(channel: Any) -> Any:
    """A call of ProcessAudioStream that nothing has been written to."""
    return channel.stream_stream(
        PATH, request_serializer=Stream.SerializeToString, response_deserializer=Answer.FromString
    )()


async def listened(call: Any) -> Heard:
    """Everything that a call still gives, to its end."""
    heard = Heard()
    try:
        while (message := await call.read()) is not grpc.aio.EOF:
            heard.messages.append(message)
    except grpc.aio.AioRpcError as error:
        heard.code, heard.details = error.code(), error.details() or ""
        return heard
    heard.code, heard.details = await call.code(), await call.details() or ""
    return heard


async def played(address: str, messages: Iterable[Stream], *, half_close: bool = False) -> Heard:
    """A whole call; the sample client does not half-close."""
    async with connected(address) as channel:
        call = opened(channel)
        await sent(call, messages)
        if half_close:
            await call.done_writing()
        return await listened(call)


async def sent(call: Any, messages: Iterable[Stream]) -> None:
    """Writes as far as the service lets it; what it says comes with the reading."""
    try:
        for message in messages:
            await call.write(message)
    except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
        return
