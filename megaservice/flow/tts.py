"""The node that speaks: sentences in, speech on the answer's one clock out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from comps.core.client import Call, stream_bytes
from comps.core.error_shape import error_from_body
from comps.core.errors import UpstreamError
from comps.core.framing import parse_speech, unpack_stream
from comps.core.speech import Phone, SpeechChunk, TaggedSentence, Word
from megaservice.flow.clock import AnswerClock, pause_after
from megaservice.flow.events import Event, SentenceSpoken, SpeechMeasured
from megaservice.flow.read_ahead import read_ahead
from megaservice.flow.request import VoiceOptions
from megaservice.transport.endpoint import Endpoint

Emit = Callable[[Event], Awaitable[None]]


class TtsNode:
    """`TaggedSentence` → `SpeechChunk`s. Emits a `SentenceSpoken` when a sentence's sound is complete,
    and a `SpeechMeasured` when all is.

    The next sentence is already being made while this one is handed on. Silence between sentences
    is a chunk of its own, so the samples have no gaps.
    """

    def __init__(self, endpoint: Endpoint, emit: Emit, voice: VoiceOptions, *, engine: str, clock: AnswerClock) -> None:
        self._endpoint, self._emit = endpoint, emit
        self._voice, self._engine = voice, engine
        self._clock = clock

    async def __call__(self, sentences: AsyncIterator[TaggedSentence]) -> AsyncGenerator[SpeechChunk, None]:
        """Speak the sentences in order."""
        pause = 0.0
        spoken: _Spoken | None = None
        async with aclosing(read_ahead(sentences, self._speak)) as chunks:
            async for sentence, chunk in chunks:
                if spoken is None or spoken.sentence is not sentence:
                    silence = self._clock.begin(pause)
                    pause = pause_after(sentence.text)
                    spoken = _Spoken(sentence, self._clock.position / self._clock.sample_rate)
                    if silence is not None:
                        yield silence
                placed = self._clock.place(spoken.labelled(chunk), sentence.index)
                spoken.words += placed.words
                spoken.phones += placed.phones
                yield placed
                if chunk.last:
                    await self._emit(spoken.event(placed.end))
        await self._emit(SpeechMeasured(self._clock.position / self._clock.sample_rate))

    async def _speak(self, sentence: TaggedSentence) -> AsyncGenerator[SpeechChunk, None]:
        """The chunks of one sentence, times from its own first sample."""
        service = self._endpoint.service
        call = Call(service, self._endpoint.url("/v1/tts/stream"), json=self._body(sentence))
        last = False
        async with (
            aclosing(stream_bytes(self._endpoint.client, call)) as pieces,
            aclosing(unpack_stream(pieces)) as messages,
        ):
            async for header, payload in messages:
                if header.get("type") == "error":
                    raise error_from_body(header, service)
                try:
                    chunk = parse_speech(header, payload)
                except ValueError as error:
                    raise UpstreamError(f"{service} sent {error}", service=service) from error
                last = chunk.last
                yield chunk
        if not last:
            raise UpstreamError(f"{service} broke off in the middle of a sentence", service=service)

    def _body(self, sentence: TaggedSentence) -> dict[str, Any]:
        body: dict[str, Any] = {
            "text": sentence.text,
            "voice": self._voice.voice,
            "sentence": sentence.index,
        }
        if sentence.language:
            body["language"] = sentence.language
        if self._engine:
            body["engine"] = self._engine
        return body


class _Spoken:
    """What is known so far of a sentence being spoken."""

    def __init__(self, sentence: TaggedSentence, start: float) -> None:
        self.sentence = sentence
        self.words: tuple[Word, ...] = ()
        self.phones: tuple[Phone, ...] = ()
        self._start = start
        self._begun = False

    def labelled(self, chunk: SpeechChunk) -> SpeechChunk:
        """The chunk with the sentence's emotion and, on its first chunk, its text."""
        text = "" if self._begun else self.sentence.text
        self._begun = True
        return replace(chunk, text=text, emotion=chunk.emotion or self.sentence.emotion)

    def event(self, end: float) -> SentenceSpoken:
        sentence = self.sentence
        return SentenceSpoken(
            sentence.index, sentence.text, self._start, end, self.words, sentence.emotion, self.phones
        )
