"""``WS /v1/audio2face/stream``: PCM16 in, frames out as JSON.

client  {"type": "start", "sample_rate": 16000, ...}, then bytes of PCM16 mono, {"type": "emotions", "emotions": [...]},
        {"type": "end"} or {"type": "cancel"}
server  {"type": "header", ...}, {"type": "frame", ...} for every frame as soon as it is known, {"type": "end", "frames": n};
        {"type": "warning"} for what is ignored, {"type": "error", "error": {...}} before it closes for a fault
"""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import WebSocket
from pydantic import ValidationError

from comps.animation.audio2face.export.json_frames import dumps, frames, header
from comps.animation.audio2face.export.take import Take, poses_of
from comps.animation.audio2face.pipeline import Audio2Face, ClipPipeline, Frames
from comps.animation.audio2face.web.host import FaceHost, limits_of
from comps.animation.audio2face.web.intake import Intake
from comps.animation.audio2face.web.routes import ignored_message
from comps.animation.audio2face.web.wanted import StreamKeyframes, StreamStart, keys_of, refusal
from comps.animation.json_socket import JsonSocket, LeftError, beside, binary, text
from comps.core.errors import BadRequestError


class LiveFace:
    """One client of the stream."""

    def __init__(self, socket: WebSocket, host: FaceHost, idle_s: float) -> None:
        self._socket = JsonSocket(socket, "animation", idle_s)
        self._host = host

    async def serve(self) -> None:
        """One clip from its first message to its last."""
        await self._socket.serve(self._converse)

    async def _converse(self) -> None:
        start = await self._start()
        face = await self._host.face(start.fps)
        with self._host.stream(face):
            pipeline = await self._host.run(partial(face.open, start.sample_rate, start.request()))
            intake = self._intake(start, face)
            await beside(self._listen(intake), self._answer(start, face, pipeline, intake))

    async def _start(self) -> StreamStart:
        try:
            return StreamStart.model_validate(text(await self._socket.receive()))
        except ValidationError as error:
            raise refusal(error) from error

    def _intake(self, start: StreamStart, face: Audio2Face) -> Intake:
        limits = limits_of(face)
        intake = Intake(start.sample_rate, limits.max_audio_buffer_size_second, self._host.longest_s(face))
        if start.emotions:
            intake.prefer(start.keys())
        return intake

    async def _listen(self, intake: Intake) -> None:
        """Read the client until it leaves; after ``end`` only to notice that it leaves."""
        ended = False
        while True:
            message = await self._socket.receive(forever=ended)
            pcm = binary(message)
            document = {} if pcm is not None else text(message)
            kind = document.get("type")
            if kind == "cancel":
                raise LeftError
            if ended:
                raise BadRequestError("a message came after the end")
            if pcm is not None:
                intake.feed(pcm)
            elif kind == "emotions":
                intake.prefer(_keyframes(document))
            elif kind == "end":
                ended = True
                intake.end()
            else:
                raise BadRequestError(f"a clip takes audio, 'emotions', 'end' and 'cancel', not {str(kind)[:40]!r}")

    async def _answer(self, start: StreamStart, face: Audio2Face, pipeline: ClipPipeline, intake: Intake) -> None:
        await self._socket.say_json(dumps(header(Take(face.names, start.fps, start.sample_rate))))
        if pipeline.parameters.ignored:
            await self._socket.say(dict(ignored_message(pipeline.parameters.ignored)))
        sent = 0
        async for pcm, keyframes in intake.pieces():
            sent += await self._send(
                await self._host.run(partial(pipeline.push, pcm, keyframes)), echo=start.echo_audio
            )
        sent += await self._send(await self._host.run(pipeline.finish), echo=start.echo_audio)
        await self._socket.say({"type": "end", "frames": sent})

    async def _send(self, made: Frames, *, echo: bool) -> int:
        for frame in frames(poses_of(made), made.fps, echo=echo):
            await self._socket.say_json(dumps(frame))
        return len(made)


def _keyframes(document: dict[str, Any]) -> list[tuple[float, Any]]:
    try:
        return [*keys_of(StreamKeyframes.model_validate(document).emotions)]
    except ValidationError as error:
        raise refusal(error) from error
