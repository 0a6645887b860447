"""Audio of a WebSocket: the client's messages as pieces for an engine, checked, resampled and bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import anyio
import numpy as np
import orjson
import soxr
from fastapi import WebSocket, WebSocketDisconnect

from comps.asr.engine import SAMPLE_RATE, Audio
from comps.asr.request import StreamStart, validated
from comps.asr.settings import AsrSettings
from comps.core.errors import BadRequestError, TooLargeError, UnprocessableError


async def read_start(socket: WebSocket, settings: AsrSettings) -> StreamStart:
    """The first message; raises BadRequestError or UnprocessableError when it is none."""
    message = await _receive(socket, settings)
    if not isinstance(message, str):
        raise BadRequestError('the first message must be the text {"type": "start", ...}')
    start: StreamStart = validated(StreamStart, _object(message))
    return start


async def pieces(
    socket: WebSocket, rate: int, settings: AsrSettings, ended: asyncio.Event | None = None
) -> AsyncIterator[Audio]:
    """Mono float32 at `SAMPLE_RATE` of each binary message (PCM16 at `rate` Hz), until ``{"type": "end"}``.

    `ended` is set then, after which the socket is not read here any more.

    Raises:
        TooLargeError: longer than `settings.max_audio_s`.
        UnprocessableError: half a sample, an unknown message, no samples at all, or a silent client.
    """
    resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
    samples = 0
    while True:
        message = await _receive(socket, settings)
        if isinstance(message, str):
            if _object(message).get("type") != "end":
                raise UnprocessableError('after the start come binary PCM and {"type": "end"}', param="type")
            if ended is not None:
                ended.set()
            break
        if len(message) % 2:
            raise UnprocessableError("a binary message must hold whole 16-bit samples", param="audio")
        samples += len(message) // 2
        if samples > settings.max_audio_s * rate:
            raise TooLargeError(f"the audio is longer than {settings.max_audio_s:g} s, which is the limit")
        yield _resampled(resampler, message)
    if not samples:
        raise UnprocessableError("the audio holds no samples", param="audio")
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


async def left(socket: WebSocket, ended: asyncio.Event) -> None:
    """Return when the client leaves after `ended`; what it still sends has no meaning."""
    await ended.wait()
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


def _resampled(resampler: soxr.ResampleStream, message: bytes) -> Audio:
    samples = np.frombuffer(message, "<i2").astype(np.float32)
    resampled: Audio = resampler.resample_chunk(samples / np.float32(32768))
    return resampled


async def _receive(socket: WebSocket, settings: AsrSettings) -> str | bytes:
    try:
        with anyio.fail_after(settings.stream_idle_s):
            message = await socket.receive()
    except TimeoutError as error:
        raise UnprocessableError(f"nothing was sent for {settings.stream_idle_s:g} s") from error
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    text: str | None = message.get("text")
    return text if text is not None else bytes(message["bytes"])


def _object(text: str) -> dict[str, object]:
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequestError("a text message must be JSON") from error
    if not isinstance(fields, dict):
        raise BadRequestError("a text message must be a JSON object")
    return fields
