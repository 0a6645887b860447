"""The node that hears: a recording or a live voice in, the question as text out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any

import orjson

from comps.core.client import Call, request_json
from comps.core.error_shape import error_from_body
from comps.core.errors import NoSpeechError, UpstreamError
from comps.core.speech import Word
from megaservice.flow.events import Event, TranscriptHeard
from megaservice.flow.request import LiveQuestion, SpokenQuestion
from megaservice.tasks import end_tasks
from megaservice.transport.channel import Channel, ChannelClosedError
from megaservice.transport.endpoint import Endpoint

Emit = Callable[[Event], Awaitable[None]]


class AsrNode:
    """`SpokenQuestion` or `LiveQuestion` → text. Emits every `TranscriptHeard`, partial ones too."""

    def __init__(self, endpoint: Endpoint, emit: Emit, *, language: str, engine: str) -> None:
        self._endpoint, self._emit = endpoint, emit
        self._language, self._engine = language, engine

    async def __call__(self, questions: AsyncIterator[SpokenQuestion | LiveQuestion]) -> AsyncGenerator[str, None]:
        """Transcribe each question; raises NoSpeechError when nothing was said in it."""
        async for question in questions:
            heard = await (self._whole(question) if isinstance(question, SpokenQuestion) else self._live(question))
            if not heard.text.strip():
                raise NoSpeechError("no speech was heard in the recording", service=self._endpoint.service)
            await self._emit(heard)
            yield heard.text

    async def _whole(self, question: SpokenQuestion) -> TranscriptHeard:
        form = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
        if self._language:
            form["language"] = self._language
        if self._engine:
            form["engine"] = self._engine
        call = Call(
            service=self._endpoint.service,
            url=self._endpoint.url("/v1/audio/transcriptions"),
            files={"file": (question.filename, question.audio)},
            data=form,
            idempotent=True,
        )
        return _transcript(await request_json(self._endpoint.client, call), self._endpoint.service)

    async def _live(self, question: LiveQuestion) -> TranscriptHeard:
        start = {"type": "start", "sample_rate": question.sample_rate}
        start |= {"language": self._language or None, "engine": self._engine or None}
        async with self._endpoint.websocket("/v1/asr/stream") as channel:
            await channel.send(orjson.dumps(start).decode())
            sending = asyncio.create_task(_send_voice(channel, question.pcm))
            try:
                async with aclosing(self._answers(channel)) as answers:
                    async for heard in answers:
                        if heard.final:
                            return heard
                        await self._emit(heard)
            finally:
                await end_tasks([sending])
        raise AssertionError("the answers end with a final one or an error")

    async def _answers(self, channel: Channel) -> AsyncGenerator[TranscriptHeard, None]:
        service = self._endpoint.service
        while True:
            try:
                message = orjson.loads(await channel.receive())
            except ChannelClosedError as error:
                raise UpstreamError(
                    f"{service} ended the session before its final transcript", service=service
                ) from error
            except orjson.JSONDecodeError as error:
                raise UpstreamError(f"{service} sent something else than JSON", service=service) from error
            if isinstance(message, dict) and message.get("type") == "error":
                raise error_from_body(message, service)
            yield _transcript(message, service)


async def _send_voice(channel: Channel, pcm: AsyncIterator[bytes]) -> None:
    """Send the voice and its end; a session that closes meanwhile shows itself where answers are read."""
    with suppress(ChannelClosedError):
        async for piece in pcm:
            await channel.send(piece)
        await channel.send('{"type":"end"}')


def _transcript(body: Any, service: str) -> TranscriptHeard:
    """From OpenAI's verbose JSON, or a message of the streaming session."""
    try:
        return TranscriptHeard(
            text=str(body["text"]),
            language=str(body.get("language") or ""),
            words=tuple(_word(word) for word in body.get("words") or ()),
            duration=float(body.get("duration") or 0.0),
            final=body.get("type", "final") == "final",
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UpstreamError(f"{service} answered without a transcript", service=service) from error


def _word(word: Any) -> Word:
    if isinstance(word, dict):
        return Word(str(word.get("word", word.get("text", ""))), float(word["start"]), float(word["end"]))
    return Word(str(word[0]), float(word[1]), float(word[2]))
