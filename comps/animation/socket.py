"""``WS /v1/animation/stream``: speech in, video out, as docs/architecture.md lays it down."""

from __future__ import annotations

import math
from contextlib import aclosing

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from fastapi import WebSocket
from pydantic import ValidationError

from comps.animation.json_socket import JsonSocket, LeftError, Text, beside, binary, text
from comps.animation.requests import StartMessage
from comps.animation.session import AnimationSession
from comps.animation.speech_input import SpeechClock
from comps.animation.studio import Studio
from comps.core.errors import BadRequestError, TooLargeError, UnprocessableError
from comps.core.framing import pack, parse_speech, unpack
from comps.core.media.video import Segment
from comps.core.speech import SpeechChunk
from comps.core.web.problems import refusal

OVERHEAD_BYTES = 4 * 1024 * 1024
"""What the messages of a session may weigh beside four times its longest sound; `_listen` says why."""
_SMALLEST_BYTES = 500
"""What a chunk takes in memory beside its message: many empty ones must not be free."""


class AnimationSocket:
    """One client of the stream."""

    def __init__(self, socket: WebSocket, studio: Studio) -> None:
        self._socket = JsonSocket(socket, "animation", studio.settings.session_idle_s)
        self._studio = studio

    async def serve(self) -> None:
        """Handle one session from its first message to its last."""
        await self._socket.serve(self._converse)

    async def _converse(self) -> None:
        await self._answer(await self._start())

    async def _start(self) -> StartMessage:
        message = await self._socket.receive()
        try:
            return StartMessage.model_validate(text(message))
        except ValidationError as error:
            raise refusal(error.errors(include_url=False, include_input=False)) from error

    async def _answer(self, start: StartMessage) -> None:
        """Perform while listening; whichever fails first ends both."""
        avatar = await self._studio.avatar(start.avatar)
        async with self._studio.session(start, avatar, start.sample_rate) as session:
            send, receive = anyio.create_memory_object_stream[SpeechChunk](math.inf)
            with send, receive:
                await beside(self._listen(start, session, send), self._perform(start, session, receive))

    async def _listen(
        self, start: StartMessage, session: AnimationSession, speech: MemoryObjectSendStream[SpeechChunk]
    ) -> None:
        """Read the client until it leaves; after ``end`` only to notice that it leaves.

        Speech never waits for the drawing here, or a cancel or close behind it would not be seen. What may pile
        up is bounded all the same: in seconds by the clock, in bytes of messages here.
        """
        longest_s = self._studio.settings.max_audio_s
        clock = SpeechClock(start.sample_rate, longest_s)
        room = round(longest_s * start.sample_rate) * 8 + OVERHEAD_BYTES
        ended = False
        while True:
            message = await self._socket.receive(forever=ended)
            data = binary(message)
            if data is not None:
                if ended:
                    raise BadRequestError("speech came after the end")
                room -= len(data) + _SMALLEST_BYTES
                if room < 0:
                    raise TooLargeError("the messages of this session are larger than any speech it may hold")
                for chunk in clock.admit(_speech(data)):
                    speech.send_nowait(chunk)
                continue
            kind = text(message).get("type")
            if kind == "cancel":
                raise LeftError
            if kind != "end":
                raise BadRequestError(f"a session takes speech, 'end' and 'cancel', not {str(kind)[:40]!r}")
            ended = True
            session.all_heard()
            speech.close()

    async def _perform(
        self, start: StartMessage, session: AnimationSession, chunks: MemoryObjectReceiveStream[SpeechChunk]
    ) -> None:
        if start.format == "raw":
            await self._ready(session, "application/octet-stream")
            async with aclosing(session.frames(aiter(chunks))) as batches:
                async for batch in batches:
                    header = {"type": "frames", "first": batch.first, "count": len(batch.frames)}
                    payload = batch.frames.tobytes()
                    await self._socket.send(pack({**header, "pixel_format": batch.pixel_format}, payload))
        else:
            writer = await self._studio.in_thread(session.writer)
            await self._ready(session, writer.mime)
            async with aclosing(session.segments(aiter(chunks), writer)) as segments:
                async for segment in segments:
                    await self._socket.send(pack(_header(segment), segment.data))
        progress = session.progress
        end: Text = {"type": "end", "frames": progress.frames, "duration": progress.duration}
        if session.unenhanced is not None:
            end["unenhanced_frames"] = session.unenhanced
        if session.lost_faces is not None:
            end["lost_faces"] = session.lost_faces
        if session.notes:
            end["notes"] = list(session.notes)
        await self._socket.say(end)

    async def _ready(self, session: AnimationSession, mime: str) -> None:
        width, height = session.size
        fps = session.fps
        await self._socket.say({"type": "ready", "mime": mime, "width": width, "height": height, "fps": fps})


def _speech(data: bytes) -> SpeechChunk:
    try:
        header, payload = unpack(data)
        if header.get("type") != "speech":
            raise ValueError("a binary message is a framed 'speech' message")
        return parse_speech(header, payload)
    except ValueError as error:
        raise UnprocessableError(str(error)) from error


def _header(segment: Segment) -> Text:
    if segment.kind == "init":
        return {"type": "init"}
    return {
        "type": "fragment",
        "index": segment.index,
        "start": segment.start,
        "duration": segment.duration,
        "frames": segment.frames,
    }
