"""Any server with OpenAI's `/v1/audio/transcriptions`: Speaches, vLLM, whisper.cpp, OpenAI, this project's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import numpy as np
import orjson

from comps.asr.engine import SAMPLE_RATE, AsrCapabilities, AsrEngine, AsrOptions, Audio
from comps.asr.engines.whole import collected, placed
from comps.asr.languages import NAMES, primary
from comps.asr.settings import AsrSettings
from comps.core.client import Call, ClientOptions, create_client, request_bytes, request_json, stream_bytes
from comps.core.engine import UPSTREAM
from comps.core.error_shape import excerpt
from comps.core.errors import AvatarError, UpstreamError
from comps.core.media.audio import encode_audio
from comps.core.speech import Transcript
from comps.core.sse import DONE, StreamOptions, read_bodies

SERVICE = "asr"
_USUAL_MODEL = "whisper-1"
_MAX_ANSWER_BYTES = 8 * 1024 * 1024
_CHECK_TIMEOUT_S = 2.0
_TRANSCRIPT = StreamOptions("transcript", _MAX_ANSWER_BYTES, _MAX_ANSWER_BYTES)
_ALL = "transcript.text.done"


class OpenAIEngine(AsrEngine):
    """Sends recordings to `settings.url`; with `settings.upstream_stream`, yields partials as that server streams them."""

    capabilities = AsrCapabilities(partials=True, word_times=True, languages=())

    def __init__(self, settings: AsrSettings) -> None:
        self._settings = settings
        self._client: httpx.AsyncClient | None = None

    async def load(self) -> None:
        """Open the client; the server may come up later."""
        # A server that does not stream is silent for as long as it works: `_call` bounds that by the recording.
        chosen = self._settings
        silence_s = chosen.upstream_timeout_s if chosen.upstream_stream else chosen.request_timeout_s
        options = ClientOptions(api_key=chosen.api_key or None, read_timeout_s=silence_s)
        self._client = create_client(self._settings.url.rstrip("/"), options)

    async def close(self) -> None:
        """Close its connections."""
        if self._client:
            await self._client.aclose()

    async def check(self) -> dict[str, str]:
        """Whether the server answers."""
        try:
            await request_bytes(self._open(), Call(SERVICE, "/models", "GET", timeout_s=_CHECK_TIMEOUT_S))
        except AvatarError as error:
            return {UPSTREAM: error.message}
        return {UPSTREAM: "ok"}

    async def transcribe(self, audio: AsyncIterator[Audio], options: AsrOptions) -> AsyncIterator[Transcript]:
        """Yield partials if the server streams, then the final transcript.

        Raises:
            UpstreamError: the server is down, fails, or answers with something else than a transcript.
            UpstreamTimeoutError: it streams and is silent for longer than the setting `upstream_timeout_s`, or it
                does not stream and takes that and the length of the recording.
        """
        samples = await collected(audio)
        duration = len(samples) / SAMPLE_RATE
        call = self._call(samples, options)
        if not self._settings.upstream_stream:
            yield to_transcript(await request_json(self._open(), call), options, duration)
            return
        async with aclosing(_texts(stream_bytes(self._open(), call))) as texts:
            async for text, final in texts:
                yield Transcript(text, primary(options.language), duration=duration, final=final)

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            raise RuntimeError("load() comes before everything else")
        return self._client

    def _call(self, samples: Audio, options: AsrOptions) -> Call:
        whole_s = self._settings.upstream_timeout_s + len(samples) / SAMPLE_RATE
        pcm = np.clip(samples * 32767, -32768, 32767).astype(np.int16)
        return Call(
            SERVICE,
            "/audio/transcriptions",
            data=form_fields(self._settings, options),
            files={"file": ("speech.wav", encode_audio(pcm, SAMPLE_RATE, "wav"), "audio/wav")},
            idempotent=True,
            timeout_s=None if self._settings.upstream_stream else whole_s,
            max_bytes=_MAX_ANSWER_BYTES,
        )


def form_fields(settings: AsrSettings, options: AsrOptions) -> dict[str, Any]:
    """The form besides the file; what was not asked for is left out, so the server's defaults hold."""
    fields: dict[str, Any] = {"model": settings.model or _USUAL_MODEL, "temperature": f"{options.temperature:g}"}
    if options.language:
        fields["language"] = primary(options.language)
    if options.prompt:
        fields["prompt"] = options.prompt
    if settings.upstream_stream:
        return {**fields, "response_format": "json", "stream": "true"}
    return {**fields, "response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}


def to_transcript(body: Any, options: AsrOptions, duration: float) -> Transcript:
    """The transcript in a JSON answer, with or without words; raises UpstreamError when there is no text in it."""
    text = body.get("text") if isinstance(body, dict) else None
    if not isinstance(text, str):
        raise UpstreamError(f"{SERVICE} answered JSON without a text: {excerpt(orjson.dumps(body))}", service=SERVICE)
    named = str(body.get("language") or options.language).lower()
    try:
        heard = [(str(word["word"]), float(word["start"]), float(word["end"])) for word in body.get("words") or ()]
    except (KeyError, TypeError, ValueError) as error:
        raise UpstreamError(f"{SERVICE} answered words without their times", service=SERVICE) from error
    return Transcript(text.strip(), NAMES.get(named, primary(named)), placed(text.strip(), heard), duration)


async def _texts(parts: AsyncGenerator[bytes, None]) -> AsyncGenerator[tuple[str, bool], None]:
    """The text so far and whether it is all, from events or, when the server does not stream, from JSON."""
    text = ""
    async with aclosing(parts), aclosing(read_bodies(parts, SERVICE, _TRANSCRIPT)) as bodies:
        async for body in bodies:
            if body == DONE:
                break
            event = _event(body)
            if event.get("type") == _ALL or ("type" not in event and "text" in event):
                yield str(event.get("text", text)).strip(), True
                return
            if delta := event.get("delta"):
                text += str(delta)
                yield text.strip(), False
    raise UpstreamError(f"{SERVICE} broke off before the end of the transcript", service=SERVICE)


def _event(data: bytes) -> dict[str, Any]:
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise UpstreamError(f"{SERVICE} sent no JSON: {excerpt(data)}", service=SERVICE) from error
    if not isinstance(event, dict) or event.get("error"):
        raise UpstreamError(f"{SERVICE} failed while it streamed: {excerpt(data)}", service=SERVICE)
    return event
