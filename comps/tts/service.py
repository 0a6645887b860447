"""The TTS service: speech whole, streamed as audio, and streamed with the times that move a mouth."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response

from comps.core.app import ServiceInfo, create_service_app
from comps.core.engine import EngineHost
from comps.core.framing import SPEECH_MEDIA_TYPE
from comps.core.media.audio import MEDIA_TYPES
from comps.core.web.json_body import JsonRoute
from comps.core.web.streaming import ClosingStream, begun
from comps.tts.engine import TtsCapabilities, TtsEngine
from comps.tts.replies import SERVICE, Chunks, encoded, framed
from comps.tts.requests import SpeechOptions, SpeechRequest, StreamRequest, TtsRequest, check_text
from comps.tts.settings import TtsSettings
from comps.tts.table import OPEA_NAMES, TABLE
from comps.tts.timed import speech
from comps.tts.whole import JsonBody, whole_speech

Host = EngineHost[TtsEngine, TtsCapabilities]


def create_app(settings: TtsSettings | None = None) -> FastAPI:
    """The service as an app; the engine loads in its lifespan, behind `/readyz`."""
    chosen = settings or TtsSettings()
    host: Host = EngineHost(TABLE, OPEA_NAMES.get(chosen.engine, chosen.engine), chosen)

    @asynccontextmanager
    async def startup(app: FastAPI) -> AsyncIterator[None]:
        try:
            await host.get()
            yield
        finally:
            await host.close()

    info = ServiceInfo(SERVICE, "TTS", "Speaks text, with the times of its phones and words", "0.1.0")
    app = create_service_app(info, chosen, startup=startup, checks=host.checks)
    app.include_router(_routes(_Speaker(host, chosen)))
    return app


class _Speaker:
    """Turns a request into the chunks of its speech, the first one made already."""

    def __init__(self, host: Host, settings: TtsSettings) -> None:
        self.host = host
        self.settings = settings

    async def speak(self, text: str, request: SpeechOptions, param: str = "text") -> Chunks:
        check_text(text, self.settings, param)
        engine = await self.host.get(request.engine_name(self.settings))
        return await begun(speech(engine, text, request.options(), self.settings.language), SERVICE)


def _routes(speaker: _Speaker) -> APIRouter:
    router = APIRouter(tags=["tts"], route_class=JsonRoute)

    @router.post("/v1/tts", summary="Speak a text; the whole WAV in JSON", response_model=None)
    async def tts(body: TtsRequest) -> Response:
        """OPEA's form: base64 of a 16 kHz mono WAV in `tts_result`, with the times of its phones and words."""
        chunks = await speaker.speak(body.text, body)
        return _json((await whole_speech(chunks, speaker.settings.max_whole_s)).with_times())

    @router.post("/v1/audio/speech", summary="Speak a text; audio as it is made", response_model=None)
    async def audio_speech(body: SpeechRequest) -> Response:
        """OpenAI's form, and OPEA's older one (`text` in, `byte_str` out)."""
        chunks = await speaker.speak(body.words(), body, "text" if body.legacy else "input")
        if body.legacy:
            return _json((await whole_speech(chunks, speaker.settings.max_whole_s)).with_id(uuid.uuid4().hex))
        return ClosingStream(encoded(chunks, body.response_format), MEDIA_TYPES[body.response_format])

    @router.post("/v1/tts/stream", summary="Speak a text; framed speech messages", response_model=None)
    async def stream(body: StreamRequest) -> Response:
        """PCM with phones and words, phones ahead of their sound; see docs/architecture.md."""
        return ClosingStream(framed(await speaker.speak(body.text, body), body.sentence), SPEECH_MEDIA_TYPE)

    @router.get("/v1/voices", summary="Voices of an engine")
    async def voices(engine: str = "") -> dict[str, Any]:
        """Every voice of `engine`, by default the configured one."""
        name = SpeechOptions(engine=engine).engine_name(speaker.settings)
        found = await (await speaker.host.get(name)).voices()
        return {"engine": name, "voices": [asdict(voice) for voice in found]}

    return router


def _json(body: JsonBody) -> ClosingStream:
    return ClosingStream(body.pieces(), "application/json", {"Content-Length": str(len(body))})
