"""``WS /v1/animation/stream``: speech in, video out, as docs/architecture.md lays it down."""

from __future__ import annotations

import logging
import math
from collections.abc import Coroutine, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import anyio
import orjson
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from fastapi import WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from comps.animation.requests import StartMessage
from comps.animation.session import AnimationSession
from comps.animation.speech_input import SpeechClock
from comps.animation.studio import Studio
from comps.core.error_shape import error_body
from comps.core.errors import AvatarError, BadRequestError, TooLargeError, UnprocessableError
from comps.core.framing import pack, parse_speech, unpack
from comps.core.media.video import Segment
from comps.core.speech import SpeechChunk

logger = logging.getLogger(__name__)

OVERHEAD_BYTES = 4 * 1024 * 1024
"""What the messages of a session may weigh beside four times its longest sound; `_listen` says why."""
SEND_TIMEOUT_S = 60.0
"""Seconds a client may leave a message unread."""
_SMALLEST_BYTES = 500
"""What a chunk takes in memory beside its message: many empty ones must not be free."""
_NORMAL, _BAD, _BUSY = 1000, 1008, 1013

Text = dict[str, Any]


class _LeftError(Exception):
    """The client cancelled, closed, or stopped reading."""


class AnimationSocket:
    """One client of the stream."""

    def __init__(self, socket: WebSocket, studio: Studio) -> None:
        self._socket = socket
        self._studio = studio

    async def serve(self) -> None:
        """Handle one session from its first message to its last."""
        await self._socket.accept()
        try:
            start = await self._start()
            await self._answer(start)
        except (WebSocketDisconnect, _LeftError):
            await self._close(_NORMAL)
        except AvatarError as error:
            await self._fail(error, _BUSY if error.status == 429 else _BAD)
        except Exception:  # session boundary: the client gets the one error shape, the log the trace
            logger.exception("a session failed")
            await self._fail(AvatarError("the session failed; the log says why"), 1011)
        else:
            await self._close(_NORMAL)

    async def _start(self) -> StartMessage:
        message = await self._receive()
        try:
            return StartMessage.model_validate(_text(message))
        except ValidationError as error:
            problem = error.errors()[0]
            field = ".".join(str(part) for part in problem["loc"])
            raise UnprocessableError(f"{field}: {problem['msg']}", param=field or None) from error

    async def _answer(self, start: StartMessage) -> None:
        """Perform while listening; whichever fails first ends both."""
        avatar = await self._studio.avatar(start.avatar)
        failures: list[Exception] = []
        async with self._studio.session(start, avatar, start.sample_rate) as session:
            send, receive = anyio.create_memory_object_stream[SpeechChunk](math.inf)
            with send, receive:
                async with anyio.create_task_group() as tasks:

                    async def run(part: Coroutine[Any, Any, None]) -> None:
                        try:
                            await part
                        except (AvatarError, WebSocketDisconnect, _LeftError) as error:
                            failures.append(error)
                        tasks.cancel_scope.cancel()

                    tasks.start_soon(run, self._listen(start, send))
                    await run(self._perform(start, session, receive))
        if failures:
            raise failures[0]

    async def _listen(self, start: StartMessage, speech: MemoryObjectSendStream[SpeechChunk]) -> None:
        """Read the client until it leaves; after ``end`` only to notice that it leaves.

        Speech never waits for the drawing here, or a cancel or close behind it would not be seen. What may pile
        up is bounded all the same: in seconds by the clock, in bytes of messages here.
        """
        longest_s = self._studio.settings.max_audio_s
        clock = SpeechClock(start.sample_rate, longest_s)
        room = round(longest_s * start.sample_rate) * 8 + OVERHEAD_BYTES
        ended = False
        while True:
            message = await self._receive(forever=ended)
            if "bytes" in message and message["bytes"] is not None:
                if ended:
                    raise BadRequestError("speech came after the end")
                room -= len(message["bytes"]) + _SMALLEST_BYTES
                if room < 0:
                    raise TooLargeError("the messages of this session are larger than any speech it may hold")
                for chunk in clock.admit(_speech(message["bytes"])):
                    speech.send_nowait(chunk)
                continue
            kind = _text(message).get("type")
            if kind == "cancel":
                raise _LeftError
            if kind != "end":
                raise BadRequestError(f"a session takes speech, 'end' and 'cancel', not {str(kind)[:40]!r}")
            ended = True
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
                    await self._send(pack({**header, "pixel_format": batch.pixel_format}, payload))
        else:
            writer = await self._studio.in_thread(session.writer, self._studio.settings.video_preset)
            await self._ready(session, writer.mime)
            async with aclosing(session.segments(aiter(chunks), writer)) as segments:
                async for segment in segments:
                    await self._send(pack(_header(segment), segment.data))
        progress = session.progress
        end: Text = {"type": "end", "frames": progress.frames, "duration": progress.duration}
        if session.unenhanced is not None:
            end["unenhanced_frames"] = session.unenhanced
        if session.lost_faces is not None:
            end["lost_faces"] = session.lost_faces
        await self._say(end)

    async def _ready(self, session: AnimationSession, mime: str) -> None:
        width, height = session.size
        fps = session.fps
        await self._say({"type": "ready", "mime": mime, "width": width, "height": height, "fps": fps})

    async def _receive(self, forever: bool = False) -> Any:
        """The next message; raises WebSocketDisconnect, or BadRequestError when the client keeps silent."""
        idle_s = self._studio.settings.session_idle_s
        with anyio.move_on_after(None if forever else idle_s):
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", _NORMAL))
            return message
        raise BadRequestError(f"the client sent nothing for {idle_s:g} s; the session is closed")

    async def _say(self, message: Text) -> None:
        with _patience():
            await self._socket.send_text(orjson.dumps(message).decode())

    async def _send(self, message: bytes) -> None:
        with _patience():
            await self._socket.send_bytes(message)

    async def _fail(self, error: AvatarError, code: int) -> None:
        try:
            await self._say({"type": "error", **error_body(error, "animation")})
        except (WebSocketDisconnect, RuntimeError, _LeftError):
            return
        await self._close(code)

    async def _close(self, code: int) -> None:
        try:
            await self._socket.close(code)
        except (WebSocketDisconnect, RuntimeError):
            logger.debug("the client had already closed the session")


@contextmanager
def _patience() -> Iterator[None]:
    """Bounds one send; a client that leaves it unread for `SEND_TIMEOUT_S` counts as one that has left."""
    try:
        with anyio.fail_after(SEND_TIMEOUT_S):
            yield
    except TimeoutError as error:
        raise _LeftError from error


def _text(message: Any) -> Text:
    if message.get("text") is None:
        raise BadRequestError('the session begins with a text message {"type": "start", ...}')
    try:
        document = orjson.loads(message["text"])
    except orjson.JSONDecodeError as error:
        raise BadRequestError("a text message is a JSON object") from error
    if not isinstance(document, dict):
        raise BadRequestError("a text message is a JSON object")
    return document


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
