"""The pair of services before 2.0: `A2FService` takes audio, and the animation goes to an `AnimationDataService`.

The client half-closes at the end of its clip and gets one status; whoever shows the animation gets the frames.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from comps.animation.audio2face.proto import a2f_pb2, a2f_service_pb2, status_pb2
from comps.animation.audio2face.server import replies
from comps.animation.audio2face.server.calls import Context, answered
from comps.animation.audio2face.server.clip import Clip
from comps.animation.audio2face.server.limits import Intake, Patience
from comps.animation.audio2face.server.requests import keyframes_of, stream_request, stream_sample_rate
from comps.animation.audio2face.server.service import Service
from comps.animation.audio2face.server.tasks import beside
from comps.core.errors import UnprocessableError, UpstreamError

SERVICE: str = a2f_service_pb2.DESCRIPTOR.services_by_name["A2FService"].full_name
SINK = "/nvidia_ace.services.animation_data.v1.AnimationDataService/PushAnimationDataStream"
"""Where animation goes: the original, too, is a client there."""

_WATCH_S = 0.25


def handler(service: Service, sink: grpc.aio.Channel) -> grpc.GenericRpcHandler:
    """Serves `SERVICE`; the animation is pushed over the channel `sink`."""

    async def push_audio_stream(_: Any, context: Context) -> status_pb2.Status | None:
        async with answered(context, "PushAudioStream", service.metrics):
            with service.slots.one():
                return await _Stream(service, context, sink).serve()
        return None

    method: Any = grpc.stream_unary_rpc_method_handler(
        push_audio_stream,
        request_deserializer=a2f_pb2.AudioStream.FromString,
        response_serializer=status_pb2.Status.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(SERVICE, {"PushAudioStream": method})


class _Stream:
    """One clip on its way from its client to the one who shows it."""

    def __init__(self, service: Service, context: Context, sink: grpc.aio.Channel) -> None:
        self._service, self._context, self._sink = service, context, sink
        self._limits = service.layers.configuration.advanced.input_sanitization
        self._patience = Patience(self._limits)
        self._answer: status_pb2.Status | None = None

    async def serve(self) -> status_pb2.Status | None:
        """To the end of the clip; the status that whoever shows it answered with."""
        await beside(self._converse(), self._watch())
        return self._answer

    async def _converse(self) -> None:
        message = await self._read()
        part = message.WhichOneof("stream_part") if message else None
        if message is None or part != "audio_stream_header":
            raise UnprocessableError(f"the first message is {part or 'empty'}; it must be audio_stream_header")
        header = message.audio_stream_header
        self._check_ids(header)
        face, rate = self._service.ready(), stream_sample_rate(header)
        first = replies.legacy_header_message(face.names, header.audio_header, header.animation_ids)
        async with self._service.clip(rate, stream_request(header)) as (clip, _):
            await beside(self._push(first, clip), self._receive(clip, Intake(self._limits, rate)))

    def _check_ids(self, header: a2f_pb2.AudioStreamHeader) -> None:
        for name in ("request_id", "stream_id", "target_object_id"):
            length = len(getattr(header.animation_ids, name))
            if length > self._limits.max_len_uuid:
                raise UnprocessableError(
                    f"{name} has {length} characters; allowed is {self._limits.max_len_uuid}", param=name
                )

    async def _receive(self, clip: Clip, intake: Intake) -> None:
        while (message := await self._read()) is not None:
            part = message.WhichOneof("stream_part")
            if part != "audio_with_emotion":
                raise UnprocessableError(f"a message is {part or 'empty'}; only one header begins a stream")
            found = message.audio_with_emotion
            intake.take(len(found.audio_buffer))
            self._patience.supplied(intake.received_s)
            clip.feed(found.audio_buffer, keyframes_of(found) if found.emotions else ())
        self._patience.supply_ended()
        clip.end()

    async def _push(self, header: bytes, clip: Clip) -> None:
        """Sends the clip's animation on; UpstreamError when nobody takes it."""
        call: Any = self._sink.stream_unary(SINK, response_deserializer=status_pb2.Status.FromString)()
        try:
            async for message in self._messages(header, clip):
                await call.write(message)
                self._patience.moved()
            await call.done_writing()
            self._answer = await call
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            fault = f"{(await call.code()).name} {await call.details()}"
            raise UpstreamError(f"the animation could not be delivered: {fault}") from error
        finally:
            call.cancel()

    async def _messages(self, header: bytes, clip: Clip) -> AsyncIterator[bytes]:
        yield header
        pace = self._service.pace()
        async for item in clip.outgoing():
            if item.frame:
                await pace.turn()
            yield item.message
        yield replies.legacy_success_message()

    async def _watch(self) -> None:
        while True:
            await self._service.until_stopping(_WATCH_S)
            self._patience.check()

    async def _read(self) -> a2f_pb2.AudioStream | None:
        message = await self._context.read()
        self._patience.moved()
        return message if isinstance(message, a2f_pb2.AudioStream) else None
