"""The ASR service: `POST /v1/asr`, `POST /v1/audio/transcriptions`, `WS /v1/asr/stream`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import Response

from comps.asr.engine import SAMPLE_RATE, AsrCapabilities, AsrEngine, AsrOptions, Audio
from comps.asr.pcm_stream import left, pieces, read_start
from comps.asr.reply import SERVICE, AsrResponse, asr_response, document, events, formatted, message
from comps.asr.request import AsrRequest, Upload, read_upload
from comps.asr.settings import AsrSettings
from comps.asr.table import OPEA_NAMES, TABLE
from comps.core.app import ServiceInfo, create_service_app
from comps.core.engine import EngineHost
from comps.core.errors import NoSpeechError, UpstreamError
from comps.core.media.audio import decode_audio
from comps.core.media.base64_data import decoded_base64
from comps.core.speech import Transcript
from comps.core.web.streaming import begun, event_stream

Host = EngineHost[AsrEngine, AsrCapabilities]

FILE_PIECE_S = 5.0
"""A file reaches the engine in pieces of this length, so that a client who leaves is noticed."""
_DECODERS_OF_FILES = 2


def create_app(settings: AsrSettings | None = None) -> FastAPI:
    """The service as an app; the engine loads in its lifespan, behind `/readyz`."""
    chosen = settings or AsrSettings()
    host: Host = EngineHost(TABLE, OPEA_NAMES.get(chosen.engine, chosen.engine), chosen)

    @asynccontextmanager
    async def startup(app: FastAPI) -> AsyncIterator[None]:
        try:
            await host.get()
            yield
        finally:
            await host.close()

    info = ServiceInfo(SERVICE, "ASR", "Turns speech into text", "0.1.0")
    app = create_service_app(info, chosen, startup=startup, checks=host.checks)
    app.include_router(Transcription(host, chosen).routes())
    return app


class Transcription:
    """The routes of the service over its engines."""

    def __init__(self, host: Host, settings: AsrSettings) -> None:
        self._host = host
        self._settings = settings
        self._file_threads = anyio.CapacityLimiter(_DECODERS_OF_FILES)

    def routes(self) -> APIRouter:
        """The service's own routes."""
        router = APIRouter(tags=["asr"])
        router.add_api_route("/v1/asr", self.asr, methods=["POST"], response_model=AsrResponse)
        router.add_api_route("/v1/audio/transcriptions", self.transcriptions, methods=["POST"], response_model=None)
        router.add_api_websocket_route("/v1/asr/stream", self.stream)
        return router

    async def asr(self, body: AsrRequest) -> AsrResponse:
        """Recognise a recording (OPEA's Whisper server)."""
        options = body.options(self._settings)
        engine = await self._host.get(body.engine)
        data = await decoded_base64(body.audio, "audio", self._settings.max_body_bytes)
        audio = await self._decoded(data)
        return asr_response(await _final(_heard(engine, _cut(audio), options)))

    async def transcriptions(self, request: Request) -> Response:
        """Recognise a recording (OpenAI's API; OPEA's first form with `byte_str`)."""
        upload: Upload = await read_upload(request, self._settings)
        options = upload.wishes.options(self._settings)
        engine = await self._host.get(upload.wishes.engine_name(self._settings.model))
        transcripts = _heard(engine, _cut(await self._decoded(upload.data)), options)
        if upload.wishes.stream:
            return event_stream(events(await begun(transcripts, SERVICE)))
        transcript = await _final(transcripts)
        return document(transcript) if upload.legacy else formatted(transcript, upload.wishes)

    async def stream(self, socket: WebSocket) -> None:
        """Recognise speech while it arrives."""
        await socket.accept()
        with suppress(WebSocketDisconnect):
            start = await read_start(socket, self._settings)
            options = start.options(self._settings)
            engine = await self._host.get(start.engine)
            ended = asyncio.Event()
            audio = pieces(socket, start.sample_rate, self._settings, ended)
            async with _stopped_by(left(socket, ended)), aclosing(_heard(engine, audio, options)) as transcripts:
                async for transcript in transcripts:
                    await socket.send_json(message(transcript))
            await socket.close()

    async def _decoded(self, data: bytes) -> Audio:
        decode = partial(decode_audio, data, rate=SAMPLE_RATE, max_seconds=self._settings.max_audio_s)
        return await anyio.to_thread.run_sync(decode, limiter=self._file_threads)


@asynccontextmanager
async def _stopped_by(leaving: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Cancel the block when `leaving` returns, and raise WebSocketDisconnect: nobody waits for what it makes."""
    with anyio.CancelScope() as work:
        watch = asyncio.create_task(leaving)
        watch.add_done_callback(lambda task: None if task.cancelled() else work.cancel())
        try:
            yield
        finally:
            watch.cancel()
    if work.cancelled_caught:
        raise WebSocketDisconnect


async def _heard(
    engine: AsrEngine, audio: AsyncIterator[Audio], options: AsrOptions
) -> AsyncGenerator[Transcript, None]:
    """What the engine hears; raises NoSpeechError instead of a final transcript without text."""
    transcripts = engine.transcribe(audio, options)
    async with aclosing(transcripts):  # type: ignore[type-var]  # engines are async generators
        async for transcript in transcripts:
            if transcript.final and not transcript.text.strip():
                raise NoSpeechError("no speech was heard in the audio", param="audio")
            yield transcript


async def _final(transcripts: AsyncGenerator[Transcript, None]) -> Transcript:
    async with aclosing(transcripts):
        async for transcript in transcripts:
            if transcript.final:
                return transcript
    raise UpstreamError("the recogniser ended without a transcript", service=SERVICE)


async def _cut(audio: Audio) -> AsyncIterator[Audio]:
    step = int(FILE_PIECE_S * SAMPLE_RATE)
    for start in range(0, len(audio), step):
        yield audio[start : start + step]
