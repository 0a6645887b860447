"""The node that answers: a question in, sentences out while the model is still writing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from comps.core.client import Call, stream_bytes
from comps.core.error_shape import error_from_body, excerpt
from comps.core.errors import UpstreamError
from comps.core.language.sentences import SentenceStream
from comps.core.speech import TaggedSentence
from comps.core.sse import DONE, StreamOptions, read_bodies
from megaservice.flow.events import Event, TextDelta
from megaservice.flow.request import ChatTurn
from megaservice.flow.spoken_text import tagged_sentence
from megaservice.transport.endpoint import Endpoint

Emit = Callable[[Event], Awaitable[None]]

_CHAT = StreamOptions("chat answer")


@dataclass(frozen=True, slots=True)
class LlmChoices:
    """What goes with the question. `sampling` is sent as it is."""

    history: tuple[ChatTurn, ...] = ()
    language: str = ""
    engine: str = ""
    sampling: Mapping[str, object] | None = None


class LlmNode:
    """Question → `TaggedSentence`s. Emits a `TextDelta` for each piece the model writes."""

    def __init__(self, endpoint: Endpoint, emit: Emit, choices: LlmChoices) -> None:
        self._endpoint, self._emit, self._choices = endpoint, emit, choices

    async def __call__(self, questions: AsyncIterator[str]) -> AsyncGenerator[TaggedSentence, None]:
        """Answer each question; raises UpstreamError when the answer has no word in it."""
        async for question in questions:
            count = 0
            async with (
                aclosing(self._deltas(question)) as deltas,
                aclosing(sentences(deltas, self._choices.language)) as said,
            ):
                async for sentence in said:
                    count += 1
                    yield sentence
            if not count:
                raise UpstreamError(f"{self._endpoint.service} answered nothing", service=self._endpoint.service)

    async def _deltas(self, question: str) -> AsyncGenerator[str, None]:
        call = Call(self._endpoint.service, self._endpoint.url("/v1/chat/completions"), json=self._body(question))
        async with (
            aclosing(stream_bytes(self._endpoint.client, call)) as pieces,
            aclosing(chat_deltas(pieces, self._endpoint.service)) as deltas,
        ):
            async for delta in deltas:
                await self._emit(TextDelta(delta))
                yield delta

    def _body(self, question: str) -> dict[str, Any]:
        turns = (*self._choices.history, ChatTurn("user", question))
        body: dict[str, Any] = {"messages": [{"role": t.role, "content": t.content} for t in turns], "stream": True}
        if self._choices.engine:
            body["engine"] = self._choices.engine
        if self._choices.language:
            body["language"] = self._choices.language
        return body | {k: v for k, v in (self._choices.sampling or {}).items() if v is not None}


async def sentences(deltas: AsyncIterator[str], language: str = "") -> AsyncGenerator[TaggedSentence, None]:
    """Speakable sentences, each as soon as it is complete, counted from 0."""
    stream = SentenceStream()
    index = 0
    async for delta in deltas:
        for raw in stream.feed(delta):
            if sentence := tagged_sentence(index, raw, language):
                index += 1
                yield sentence
    for raw in stream.flush():
        if sentence := tagged_sentence(index, raw, language):
            index += 1
            yield sentence


async def chat_deltas(pieces: AsyncIterator[bytes], service: str) -> AsyncGenerator[str, None]:
    """The text in an OpenAI chat answer, streamed (server-sent events) or whole (one JSON object).

    Raises:
        UpstreamError: it is neither, it reports an error, or it breaks off before it is finished.
    """
    finished = False
    async with aclosing(read_bodies(pieces, service, _CHAT)) as bodies:
        async for body in bodies:
            if body == DONE:
                return
            text, last = _delta(body, service)
            finished = finished or last
            if text:
                yield text
    if not finished:
        raise UpstreamError(f"{service} broke off in the middle of its answer", service=service)


def _delta(data: bytes, service: str) -> tuple[str, bool]:
    """Text of one chunk or of a whole answer, and whether it is the last."""
    try:
        body = orjson.loads(data)
        if "error" in body:
            raise error_from_body(body, service)
        choice: dict[str, Any] = next(iter(body.get("choices") or ()), {})
        message = choice.get("delta") or choice.get("message") or {}
        return str(message.get("content") or ""), bool(choice.get("finish_reason")) or "message" in choice
    except (orjson.JSONDecodeError, AttributeError, TypeError) as error:
        raise UpstreamError(f"{service} sent no chat answer: {excerpt(data)}", service=service) from error
