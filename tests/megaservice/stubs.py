"""Small real services that speak the wire formats: what the flow is tested against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from fastapi import FastAPI, Form, Request, UploadFile, WebSocket, WebSocketDisconnect
from fastapi.responses import Response, StreamingResponse

from comps.core.app import ServiceInfo, create_service_app
from comps.core.errors import UnknownChoiceError
from comps.core.framing import SPEECH_MEDIA_TYPE, pack, pack_speech, parse_speech, unpack
from comps.core.settings import ServiceSettings
from comps.core.speech import Phone, SpeechChunk, Word

SAMPLE_RATE = 22_050
CHUNK = 2_205


@dataclass
class Log:
    """What the stubs saw: request bodies, and what was stopped before its end."""

    requests: list[tuple[str, Any]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    ids: list[tuple[str, str]] = field(default_factory=list)
    open_sessions: int = 0

    def of(self, service: str) -> list[Any]:
        return [body for name, body in self.requests if name == service]


@dataclass
class Behaviour:
    """How the stubs act. Times in seconds."""

    answer: str = "One fish. Two fish."
    llm_delay: float = 0.0
    llm_gate: asyncio.Event | None = None
    tts_rate: int = SAMPLE_RATE
    tts_delay: float = 0.0
    animation_delay: float = 0.0
    raw: dict[str, Response] = field(default_factory=dict)


def service(name: str) -> FastAPI:
    info = ServiceInfo(name=name, title=name, description=name, version="0")
    return create_service_app(info, ServiceSettings(shutdown_grace_s=0))


def stubs(behaviour: Behaviour, log: Log) -> dict[str, FastAPI]:
    """The four services."""
    return {
        "asr": asr_app(behaviour, log),
        "llm": llm_app(behaviour, log),
        "tts": tts_app(behaviour, log),
        "animation": animation_app(behaviour, log),
    }


def asr_app(behaviour: Behaviour, log: Log) -> FastAPI:
    app = service("asr")

    @app.post("/v1/audio/transcriptions", response_model=None)
    async def transcribe(file: UploadFile, language: str = Form("")) -> Any:
        audio = await file.read()
        log.requests.append(("asr", {"bytes": len(audio), "language": language}))
        if "asr" in behaviour.raw:
            return behaviour.raw["asr"]
        words = [{"word": "how", "start": 0.0, "end": 0.2}]
        return {"text": audio.decode(), "language": "en", "duration": 1.5, "words": words}

    @app.websocket("/v1/asr/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        log.requests.append(("asr", await socket.receive_json()))
        heard = b""
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                log.stopped.append("asr")
                return
            if message.get("text"):
                break
            heard += message["bytes"]
            await socket.send_json({"type": "partial", "text": heard.decode()})
        await socket.send_json({"type": "final", "text": heard.decode(), "words": [["how", 0.0, 0.2]]})
        await socket.close()

    return app


def llm_app(behaviour: Behaviour, log: Log) -> FastAPI:
    app = service("llm")

    async def deltas() -> AsyncIterator[bytes]:
        try:
            for index, word in enumerate(behaviour.answer.split(" ")):
                await asyncio.sleep(behaviour.llm_delay)
                if behaviour.llm_gate and index == 3:
                    await behaviour.llm_gate.wait()
                yield b"data: " + orjson.dumps({"choices": [{"delta": {"content": word + " "}}]}) + b"\n\n"
            yield b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        except asyncio.CancelledError:
            log.stopped.append("llm")
            raise

    @app.post("/v1/chat/completions", response_model=None)
    async def chat(request: Request) -> Response:
        log.requests.append(("llm", await request.json()))
        log.ids.append(("llm", request.headers.get("x-request-id", "")))
        return behaviour.raw.get("llm") or StreamingResponse(deltas(), media_type="text/event-stream")

    return app


def tts_app(behaviour: Behaviour, log: Log) -> FastAPI:
    app = service("tts")

    async def speech(text: str) -> AsyncIterator[bytes]:
        words = text.split()
        try:
            for index, word in enumerate(words):
                await asyncio.sleep(behaviour.tts_delay)
                yield pack_speech(_chunk(word, index, behaviour.tts_rate, last=index == len(words) - 1))
        except asyncio.CancelledError:
            log.stopped.append("tts")
            raise

    @app.post("/v1/tts/stream", response_model=None)
    async def stream(request: Request) -> Response:
        body = await request.json()
        log.requests.append(("tts", body))
        log.ids.append(("tts", request.headers.get("x-request-id", "")))
        if body["voice"] == "nobody":
            raise UnknownChoiceError("no voice 'nobody'; there are: default", param="voice")
        return behaviour.raw.get("tts") or StreamingResponse(speech(body["text"]), media_type=SPEECH_MEDIA_TYPE)

    return app


def _chunk(word: str, index: int, rate: int, *, last: bool) -> SpeechChunk:
    """A tenth of a second of tone per word."""
    samples = rate // 10
    pcm = (8000 * np.sin(np.arange(samples) * 0.1)).astype(np.int16)
    start, end = index * 0.1, (index + 1) * 0.1
    return SpeechChunk(
        pcm, rate, index * samples, phones=(Phone("a", start, end),), words=(Word(word, start, end),), last=last
    )


def animation_app(behaviour: Behaviour, log: Log) -> FastAPI:
    app = service("animation")

    @app.websocket("/v1/animation/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        log.open_sessions += 1
        try:
            await _animate(socket, behaviour, log)
        except WebSocketDisconnect:
            log.stopped.append("animation")
        except asyncio.CancelledError:
            log.stopped.append("animation")
            raise
        finally:
            log.open_sessions -= 1

    return app


async def _animate(socket: WebSocket, behaviour: Behaviour, log: Log) -> None:
    """One fragment per chunk; its payload is the chunk's place and text."""
    start = await socket.receive_json()
    log.requests.append(("animation", start))
    ready = {"type": "ready", "mime": "video/mp4", "width": start["size"], "height": start["size"], "fps": start["fps"]}
    await socket.send_json(ready)
    await socket.send_bytes(pack({"type": "init"}, b"init"))
    index = 0
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        if message.get("text") is not None:
            break
        chunk = parse_speech(*unpack(message["bytes"]))
        assert chunk.sample_rate == start["sample_rate"]
        await asyncio.sleep(behaviour.animation_delay)
        log.requests.append(("speech", chunk))
        header = {
            "type": "fragment",
            "index": index,
            "start": chunk.start,
            "duration": len(chunk.pcm) / chunk.sample_rate,
        }
        await socket.send_bytes(pack({**header, "frames": 1}, chunk.text.encode()))
        index += 1
    await socket.send_json({"type": "end", "frames": index, "duration": 1.0})
    await socket.close()


@asynccontextmanager
async def no_leaks() -> AsyncIterator[None]:
    """Fails when a task outlives its body."""
    before = asyncio.all_tasks()
    yield
    for _ in range(50):
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        if not left:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"tasks left: {left}")
