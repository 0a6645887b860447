"""Small real services that note what they are asked: the other side of the gateway's wires."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from fastapi import FastAPI, Request, UploadFile, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, Response, StreamingResponse

from comps.core.framing import pack, pack_speech, parse_speech, unpack
from comps.core.media.video import Mp4Writer, VideoSpec
from comps.core.speech import Phone, SpeechChunk, Word

RATE = 16_000
ANSWER_S = 0.8
Body = dict[str, Any]


@dataclass
class Notes:
    """What every stub was asked, and how each is to behave."""

    asr: list[Body] = field(default_factory=list)
    llm: list[Body] = field(default_factory=list)
    tts: list[Body] = field(default_factory=list)
    animation: list[Body] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    llm_headers: list[Body] = field(default_factory=list)
    tts_headers: list[Body] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    lookups: list[str] = field(default_factory=list)
    avatar_voices: dict[str, str] = field(default_factory=dict)
    break_after: int = 0
    """When set, the animation closes its session after this many fragments."""
    hold: asyncio.Event | None = None
    """When set, the LLM waits for it before its second word."""

    def last(self, stage: str) -> Body:
        asked: list[Body] = getattr(self, stage)
        return asked[-1]


def stub_services(notes: Notes) -> FastAPI:
    """All four services behind one URL, which is quicker to start and to end than four."""
    app = FastAPI()
    for routes in (_asr_routes, _llm_routes, _tts_routes, _animation_routes):
        routes(app, notes)
    return app


def _asr_routes(app: FastAPI, notes: Notes) -> None:

    @app.post("/v1/audio/transcriptions")
    async def transcribe(request: Request) -> Body:
        async with request.form() as form:
            upload = form["file"]
            assert isinstance(upload, UploadFile) or hasattr(upload, "read")
            fields = {key: value for key, value in form.items() if isinstance(value, str)}
            notes.asr.append({**fields, "bytes": await upload.read()})  # type: ignore[union-attr]
        return {"text": "what was heard", "language": "en", "duration": 1.5, "words": []}


def _llm_routes(app: FastAPI, notes: Notes) -> None:

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        body = await request.json()
        notes.llm.append(body)
        notes.llm_headers.append(dict(request.headers))
        return StreamingResponse(_said(notes, body["messages"][-1]["content"]), media_type="text/event-stream")


async def _said(notes: Notes, question: str) -> AsyncIterator[bytes]:
    notes.running.add("llm")
    try:
        for word in ("You said: ", f"{question}."):
            if notes.hold is not None and word != "You said: ":
                await notes.hold.wait()
            yield b"data: " + orjson.dumps({"choices": [{"delta": {"content": word}}]}) + b"\n\n"
        yield b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    finally:
        notes.running.discard("llm")


def _tts_routes(app: FastAPI, notes: Notes) -> None:

    @app.post("/v1/tts/stream")
    async def speak(body: Body, request: Request) -> Response:
        notes.tts.append(body)
        notes.tts_headers.append(dict(request.headers))
        if body["voice"] == "nobody":
            error = {"code": "unknown_choice", "message": "no voice 'nobody'", "service": "tts", "param": "voice"}
            return JSONResponse({"error": error}, 422)
        return Response(pack_speech(_speech(body)), media_type="application/vnd.avatarchatbot.speech")

    @app.get("/v1/voices")
    async def voices() -> Body:
        notes.lookups.append("voices")
        listed = (("en", "English", "en"), ("en-us", "English (America)", "en-US"), ("male", "Male", "mul"))
        return {"voices": [{"id": id, "name": name, "languages": [tag], "gender": ""} for id, name, tag in listed]}


def _speech(body: Body) -> SpeechChunk:
    time = np.arange(round(RATE * ANSWER_S)) / RATE
    pcm = (np.sin(time * 2 * np.pi * 220) * 8000).astype(np.int16)
    text = body["text"]
    words = (Word(text, 0.0, ANSWER_S, 0, len(text)),)
    return SpeechChunk(pcm, RATE, phones=(Phone("a", 0.1, 0.7),), words=words, text=text, last=True)


def _animation_routes(app: FastAPI, notes: Notes) -> None:

    @app.post("/v1/avatars", status_code=201)
    async def add(request: Request) -> Body:
        async with request.form() as form:
            notes.pictures.append(await form["file"].read())  # type: ignore[union-attr]
            return {"id": f"picture-{len(notes.pictures)}", "temporary": form.get("temporary")}

    @app.get("/v1/avatars/{avatar}")
    async def about(avatar: str) -> Body:
        notes.lookups.append(avatar)
        return {"id": avatar, "voice": notes.avatar_voices.get(avatar, "")}

    @app.get("/v1/avatars/{avatar}/{part}")
    async def part(avatar: str, part: str, request: Request) -> Response:
        return JSONResponse(
            {"avatar": avatar, "part": part, "query": str(request.query_params)}, headers={"ETag": '"1"'}
        )

    @app.websocket("/v1/animation/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        notes.running.add("animation")
        try:
            await _animated(socket, notes)
        except WebSocketDisconnect:
            pass
        finally:
            notes.running.discard("animation")


async def _animated(socket: WebSocket, notes: Notes) -> None:
    start = orjson.loads(await socket.receive_text())
    notes.animation.append(start)
    size, fps = start["size"] or 96, start["fps"] or 20
    writer = Mp4Writer(VideoSpec(size, size, fps, start["sample_rate"]))
    await socket.send_json({"type": "ready", "mime": writer.mime, "width": size, "height": size, "fps": fps})
    ended = False
    while not ended:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("bytes"):
            _draw(writer, parse_speech(*unpack(message["bytes"])))
        else:
            ended = orjson.loads(message["text"])["type"] == "end"
            writer.close()
        if await _send_segments(socket, writer) >= notes.break_after > 0:
            await socket.close(1011)
            return
    await socket.send_json({"type": "end", "frames": writer.frames, "duration": writer.duration})
    await socket.close()


def _draw(writer: Mp4Writer, chunk: SpeechChunk) -> None:
    writer.add_audio(chunk.pcm)
    wanted = round(writer.duration * writer.spec.fps)
    height, width = writer.spec.height * 3 // 2, writer.spec.width
    writer.add_video(np.full((wanted - writer.frames, height, width), 128, np.uint8))


async def _send_segments(socket: WebSocket, writer: Mp4Writer) -> int:
    sent = 0
    for segment in writer.take():
        header: Body = {"type": "init"}
        if segment.kind == "fragment":
            place = {"start": segment.start, "duration": segment.duration, "frames": segment.frames}
            header = {"type": "fragment", "index": segment.index, **place}
        await socket.send_bytes(pack(header, segment.data))
        sent += segment.kind == "fragment"
    return sent
