"""`A2FControllerService/ProcessAudioStream`: one clip in, its animation out, in one bidirectional call.

client: header, audio..., end_of_audio          server: header, frames..., event, status SUCCESS
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import grpc

from comps.animation.audio2face.proto import a2f_controller_service_pb2, controller_pb2
from comps.animation.audio2face.server import replies
from comps.animation.audio2face.server.calls import LAST_WORDS_S, Context, answered
from comps.animation.audio2face.server.clip import Clip
from comps.animation.audio2face.server.limits import Intake, Patience
from comps.animation.audio2face.server.requests import keyframes_of, stream_request, stream_sample_rate
from comps.animation.audio2face.server.service import Service
from comps.animation.audio2face.server.tasks import beside
from comps.core.errors import AvatarError, UnprocessableError

SERVICE: str = a2f_controller_service_pb2.DESCRIPTOR.services_by_name["A2FControllerService"].full_name

_WATCH_S = (0.01, 0.5)
"""Shortest and longest time between two looks at the limits."""
_LINGER_S = 0.25


def handler(service: Service) -> grpc.GenericRpcHandler:
    """Serves `SERVICE`."""

    async def process_audio_stream(_: Any, context: Context) -> None:
        stream = _Stream(service, context)
        async with answered(context, "ProcessAudioStream", service.metrics, stream.fail):
            with service.slots.one():
                await stream.serve()

    method: Any = grpc.stream_stream_rpc_method_handler(
        process_audio_stream,
        request_deserializer=controller_pb2.AudioStream.FromString,
    )
    return grpc.method_handlers_generic_handler(SERVICE, {"ProcessAudioStream": method})


class _Stream:
    """One call. It reads and writes independently, and holds what the client does not read yet."""

    def __init__(self, service: Service, context: Context) -> None:
        self._service, self._context = service, context
        self._limits = service.layers.configuration.advanced.input_sanitization
        self._patience = Patience(self._limits)
        self._reading = self._writing = self._ended = False
        self._clip: Clip | None = None

    async def serve(self) -> None:
        """To the end of the clip; raises what is wrong with it."""
        await beside(self._converse(), self._to_the_point(self._watch()))

    async def fail(self, error: AvatarError) -> None:
        """Says why the stream ends, unless the client has left the message before this one unread.

        A client that is still writing when the call ends would only see its write fail, so it gets a moment to finish.
        """
        if self._writing:
            return
        await self._context.write(replies.error_message(error.message))
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._let_finish(), _LINGER_S)

    async def _let_finish(self) -> None:
        while not (self._reading or self._ended):
            message = await self._read()
            self._ended = message is None or message.HasField("end_of_audio")

    async def _to_the_point(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work`; what it raises waits until a message that is being written has been, but not for ever."""
        try:
            await work
        except AvatarError as error:
            if self._clip is not None:
                self._clip.fail(error)
                await asyncio.sleep(LAST_WORDS_S)
            raise

    async def _converse(self) -> None:
        header = await self._header()
        face, rate = self._service.ready(), stream_sample_rate(header)
        async with self._service.clip(rate, stream_request(header)) as (clip, opened):
            self._clip = clip
            await self._write(replies.header_message(face.names, header.audio_header))
            if opened.ignored:
                names = ", ".join(name[:40] for name in opened.ignored[:20])
                await self._write(replies.warning_message(f"unknown face parameters are ignored: {names}"))
            receiving = self._receive(clip, Intake(self._limits, rate))
            await beside(self._send(clip), self._to_the_point(receiving))

    async def _header(self) -> controller_pb2.AudioStreamHeader:
        message = await self._read()
        if message is None:
            raise UnprocessableError("the stream ended before its audio_stream_header")
        part = message.WhichOneof("stream_part")
        if part != "audio_stream_header":
            raise UnprocessableError(f"the first message is {part or 'empty'}; it must be audio_stream_header")
        return message.audio_stream_header

    async def _receive(self, clip: Clip, intake: Intake) -> None:
        warned = False
        while (message := await self._read()) is not None:
            if self._ended:
                if not warned:
                    clip.notice(replies.warning_message("messages after end_of_audio are ignored"))
                warned = True
                continue
            part = message.WhichOneof("stream_part")
            if part == "audio_with_emotion":
                self._take(message.audio_with_emotion, clip, intake)
            elif part == "end_of_audio":
                self._end(clip)
            else:
                raise UnprocessableError(f"a message is {part or 'empty'}; only one header begins a stream")
        if not self._ended:
            if not intake.messages:
                raise UnprocessableError("the stream ended without audio and without end_of_audio")
            self._end(clip)

    def _take(self, message: Any, clip: Clip, intake: Intake) -> None:
        intake.take(len(message.audio_buffer))
        self._patience.supplied(intake.received_s)
        clip.feed(message.audio_buffer, keyframes_of(message) if message.emotions else ())

    def _end(self, clip: Clip) -> None:
        self._ended = True
        self._patience.supply_ended()
        clip.end()

    async def _send(self, clip: Clip) -> None:
        pace = self._service.pace()
        async for item in clip.outgoing():
            if item.frame:
                await pace.turn()
            await self._write(item.message)
        await self._write(replies.end_message())
        await self._write(replies.success_message())

    async def _watch(self) -> None:
        shortest, longest = _WATCH_S
        period = min(max(self._patience.shortest_s / 10, shortest), longest)
        while True:
            await self._service.until_stopping(period)
            self._patience.check()

    async def _read(self) -> controller_pb2.AudioStream | None:
        self._reading = True
        message = await self._context.read()
        self._reading = False
        self._patience.moved()
        return message if isinstance(message, controller_pb2.AudioStream) else None

    async def _write(self, message: bytes) -> None:
        self._writing = True
        await self._context.write(message)
        self._writing = False
        self._patience.moved()
