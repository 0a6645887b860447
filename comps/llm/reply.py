"""Answers as OpenAI's clients read them: one JSON object, or server-sent events."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import orjson

from comps.core.context import request_id
from comps.core.error_shape import error_body
from comps.core.errors import AvatarError
from comps.llm.engine import FinishReason, TextPiece, Usage

Pieces = AsyncGenerator[TextPiece, None]

SERVICE = "llm"
DONE = b"data: [DONE]\n\n"


@dataclass(slots=True)
class Answer:
    """An answer while it is collected."""

    text: str = ""
    finish: FinishReason = "stop"
    usage: Usage = field(default_factory=lambda: Usage(0, 0))
    sentences: list[dict[str, Any]] = field(default_factory=list)

    def add(self, piece: TextPiece) -> None:
        """Take the next piece."""
        self.text += piece.text
        self.finish = piece.finish or self.finish
        self.usage = piece.usage or self.usage
        if piece.sentence is not None:
            self.sentences.append({"text": piece.text.strip(), **tags(piece)})


@dataclass(frozen=True, slots=True)
class Head:
    """What every chunk of one answer repeats."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def fields(self, kind: str) -> dict[str, Any]:
        """The common fields of an object of `kind`."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def tags(piece: TextPiece) -> dict[str, Any]:
    """How to say a sentence: index, language, mood."""
    return {"index": piece.sentence, "language": piece.language, "emotion": piece.emotion}


def usage_body(usage: Usage) -> dict[str, int]:
    """Token counts as OpenAI names them."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


async def collect(pieces: Pieces) -> Answer:
    """Read an answer to its end."""
    answer = Answer()
    async with aclosing(pieces):
        async for piece in pieces:
            answer.add(piece)
    return answer


def completion(head: Head, answer: Answer) -> dict[str, Any]:
    """A whole answer as one object; `sentences` is there when the engine tags them."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": answer.finish, "logprobs": None}
    body = head.fields("chat.completion") | {"choices": [choice], "usage": usage_body(answer.usage)}
    return body | ({"sentences": answer.sentences} if answer.sentences else {})


def document(prompt: str, answer: Answer) -> dict[str, str]:
    """A whole answer as OPEA's text document."""
    return {"id": uuid.uuid4().hex, "text": answer.text, "prompt": prompt}


async def events(head: Head, pieces: Pieces, *, include_usage: bool) -> AsyncGenerator[bytes, None]:
    """An answer as server-sent events: the role, the pieces, the reason it ended, ``[DONE]``.

    A sentence of an engine that tags them comes as one chunk with the extra field `sentence`. A
    failure after the first byte is a last event with our error object, without ``[DONE]``.
    """
    answer = Answer()
    extra: dict[str, Any] = {"usage": None} if include_usage else {}
    yield _chunk(head, {"role": "assistant", "content": ""}, None, extra)
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                answer.add(piece)
                if piece.text:
                    tagged = {"sentence": tags(piece)} if piece.sentence is not None else {}
                    yield _chunk(head, {"content": piece.text}, None, extra | tagged)
    except AvatarError as error:
        yield _event(error_body(error, SERVICE, request_id()))
        return
    yield _chunk(head, {}, answer.finish, extra)
    if include_usage:
        yield _event(head.fields("chat.completion.chunk") | {"choices": [], "usage": usage_body(answer.usage)})
    yield DONE


def _chunk(head: Head, delta: dict[str, str], finish: FinishReason | None, extra: dict[str, Any]) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return _event(head.fields("chat.completion.chunk") | {"choices": [choice]} | extra)


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"
