"""Engine ``openai``: any server that has OpenAI's `POST /v1/audio/speech` (Speaches, Kokoro-FastAPI, OpenAI...).

Asks for WAV, whose header says its rate, and passes samples on as they arrive.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import numpy as np

from comps.core.client import Call, ClientOptions, create_client, request_json, stream_bytes
from comps.core.engine import UPSTREAM
from comps.core.errors import AvatarError, UnprocessableError, UpstreamError
from comps.core.speech import SpeechChunk
from comps.tts.engine import TtsCapabilities, TtsEngine, TtsOptions, Voice, require_language
from comps.tts.settings import TtsSettings

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse")
"""OpenAI's, offered when the server does not say which it has."""

DEFAULT_MODEL = "tts-1"
_SERVICE = "tts"
_HEADER_LIMIT = 4096
_MAX_SPEECH_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 8192


class OpenAIEngine(TtsEngine):
    """Speaks through another server; errors name the service ``tts``."""

    capabilities = TtsCapabilities(streaming=True, phone_times=False)

    def __init__(self, settings: TtsSettings) -> None:
        self._settings = settings
        self._languages = settings.language_tags()
        self._client: httpx.AsyncClient | None = None

    async def load(self) -> None:
        """Make the pooled client; the server is not asked before it is needed."""
        options = ClientOptions(
            api_key=self._settings.api_key or None, read_timeout_s=self._settings.upstream_timeout_s
        )
        self._client = create_client(self._settings.url.rstrip("/") + "/", options)

    async def close(self) -> None:
        """Close the client's connections."""
        if self._client is not None:
            await self._client.aclose()

    async def check(self) -> dict[str, str]:
        """Whether the server answers at all."""
        try:
            await request_json(self._connected(), Call(_SERVICE, "models", method="GET", timeout_s=1.5))
        except AvatarError as error:
            # A server without a list of models is a working one.
            return {UPSTREAM: "ok" if error.status < 500 else error.message}
        return {UPSTREAM: "ok"}

    async def voices(self) -> tuple[Voice, ...]:
        """The server's own list (`GET audio/voices`, as Kokoro and Speaches have it), or OpenAI's names."""
        try:
            found = await request_json(self._connected(), Call(_SERVICE, "audio/voices", method="GET", timeout_s=5.0))
        except AvatarError:
            found = {}
        return tuple(Voice(name, name, self._languages) for name in ("default", *(_names(found) or VOICES)))

    async def speak(self, text: str, options: TtsOptions) -> AsyncIterator[SpeechChunk]:
        """Samples as they arrive; see `TtsEngine.speak`.

        Raises:
            UnprocessableError: a pitch was asked for, which the protocol cannot carry.
            UnknownChoiceError: a language that is not one of the setting `languages`. The protocol cannot carry
                one: the server hears it from the text.
            UpstreamError: the server is down, failed, broke off, or sent no WAV.
            UpstreamTimeoutError: it was silent for longer than the setting `upstream_timeout_s`.
        """
        if options.pitch != 1.0:
            raise UnprocessableError("engine 'openai' cannot change the pitch", param="pitch")
        require_language(options.language, *self._languages)
        call = Call(_SERVICE, "audio/speech", json=self._body(text, options))
        pieces = stream_bytes(self._connected(), call)
        async with aclosing(pieces):
            wav = WavReader()
            waiting: SpeechChunk | None = None
            async for piece in pieces:
                if (chunk := wav.feed(piece)) is not None:
                    if waiting is not None:
                        yield waiting
                    waiting = chunk
            yield wav.finish(waiting)

    def _body(self, text: str, options: TtsOptions) -> dict[str, object]:
        voice = VOICES[0] if options.voice == "default" else options.voice
        model = self._settings.model or DEFAULT_MODEL
        body: dict[str, object] = {"model": model, "input": text, "voice": voice, "response_format": "wav"}
        if options.speed != 1.0:
            body["speed"] = options.speed
        return body

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            raise RuntimeError("load() comes first")
        return self._client


def _names(found: Any) -> list[str]:
    """The voices in a server's list, which holds names, or objects with an ``id``, ``voice_id`` or ``name``."""
    listed = found.get("voices") if isinstance(found, dict) else found
    if not isinstance(listed, list):
        return []
    named = (v.get("id") or v.get("voice_id") or v.get("name") if isinstance(v, dict) else v for v in listed)
    return [name for name in named if name and isinstance(name, str)]


class WavReader:
    """Mono 16-bit samples out of a WAV stream cut anywhere; several channels are mixed down.

    Raises UpstreamError for anything else than 16-bit PCM WAV, and for a body shorter than its header says.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._rate = 0
        self._channels = 1
        self._left: int | None = None
        self._taken = 0
        self._samples = 0

    def feed(self, piece: bytes) -> SpeechChunk | None:
        """The next bytes; returns the samples they complete."""
        self._buffer += piece
        self._taken += len(piece)
        if self._taken > _MAX_SPEECH_BYTES:
            raise UpstreamError("the speech server sent more than one sentence can take", service=_SERVICE)
        if not self._rate and not self._read_header():
            return None
        return self._samples_of(_CHUNK_BYTES)

    def finish(self, waiting: SpeechChunk | None) -> SpeechChunk:
        """The last chunk, made of `waiting` and what is left."""
        if not self._rate:
            raise UpstreamError("the speech server did not send a WAV file", service=_SERVICE)
        rest = self._samples_of(2 * self._channels)
        if self._left:
            raise UpstreamError("the speech server's answer broke off in the middle", service=_SERVICE)
        pieces = [chunk.pcm for chunk in (waiting, rest) if chunk is not None]
        if not pieces:
            raise UpstreamError("the speech server sent no samples", service=_SERVICE)
        pcm = np.concatenate(pieces)
        return SpeechChunk(pcm, self._rate, self._samples - len(pcm), last=True)

    def _read_header(self) -> bool:
        """Read up to the samples; False while more bytes are needed."""
        data = self._buffer
        if (len(data) >= 12 and (data[:4] != b"RIFF" or data[8:12] != b"WAVE")) or len(data) > _HEADER_LIMIT * 16:
            raise UpstreamError("the speech server did not send a WAV file", service=_SERVICE)
        at = 12
        while len(data) >= at + 8:
            name, size = struct.unpack_from("<4sI", data, at)
            if name == b"data":
                # Streams of unknown length say 0 or all ones.
                self._left = None if size in (0, 0xFFFFFFFF, 0x7FFFFFFF) or size > _MAX_SPEECH_BYTES else size
                del data[: at + 8]
                return bool(self._rate)
            if name == b"fmt " and len(data) >= at + 24:
                self._read_format(bytes(data[at + 8 : at + 24]))
            at += 8 + size + size % 2
        self._rate = 0
        return False

    def _read_format(self, chunk: bytes) -> None:
        kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", chunk)
        if kind not in (1, 0xFFFE) or bits != 16 or not 1 <= channels <= 8 or not 4000 <= rate <= 192_000:
            raise UpstreamError("the speech server sent a WAV file that is not 16-bit PCM", service=_SERVICE)
        self._rate, self._channels = rate, channels

    def _samples_of(self, at_least: int) -> SpeechChunk | None:
        """What has come in, when it is `at_least` so many bytes."""
        usable = len(self._buffer) if self._left is None else min(len(self._buffer), self._left)
        usable -= usable % (2 * self._channels)
        if usable < at_least and not (self._left is not None and usable == self._left and usable):
            return None
        frames = np.frombuffer(bytes(self._buffer[:usable]), "<i2").reshape(-1, self._channels)
        del self._buffer[:usable]
        self._left = None if self._left is None else self._left - usable
        pcm = frames[:, 0].astype(np.int16) if self._channels == 1 else frames.mean(1).astype(np.int16)
        chunk = SpeechChunk(pcm, self._rate, self._samples)
        self._samples += len(pcm)
        return chunk
