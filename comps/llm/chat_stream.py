"""Reads what OpenAI-compatible servers answer: server-sent events, or one object from those that do not stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson

from comps.core.error_shape import error_from_body, excerpt
from comps.core.errors import UpstreamError
from comps.core.sse import DONE, StreamOptions, read_bodies
from comps.llm.engine import FinishReason, TextPiece, Usage
from comps.llm.reply import SERVICE

_CHAT = StreamOptions("chat answer")


async def read_chat(parts: AsyncGenerator[bytes, None]) -> AsyncGenerator[TextPiece, None]:
    """The answer's pieces; the last one has `finish`, and `usage` when the server counts.

    Raises:
        UpstreamError: it is no chat answer, it reports an error, or it breaks off before it is finished.
    """
    finish: FinishReason | None = None
    usage: Usage | None = None
    async with aclosing(parts), aclosing(read_bodies(parts, SERVICE, _CHAT)) as bodies:
        async for raw in bodies:
            if raw == DONE:
                finish = finish or "stop"  # some servers end with this alone
                break
            text, ended, counted = _read(raw)
            finish, usage = ended or finish, counted or usage
            if text:
                yield TextPiece(text)
    if finish is None:
        raise UpstreamError("the language model's server broke off in the middle of its answer", service=SERVICE)
    yield TextPiece("", finish=finish, usage=usage)


def _read(raw: bytes) -> tuple[str, FinishReason | None, Usage | None]:
    """Text, reason of the end and token counts in one body."""
    try:
        body: dict[str, Any] = orjson.loads(raw)
        if body.get("error"):
            raise error_from_body(body, SERVICE)
        choice: dict[str, Any] = next(iter(body.get("choices") or ()), {})
        message = choice.get("delta") or choice.get("message") or {}
        ended = choice.get("finish_reason") or ("stop" if "message" in choice else None)
        finish: FinishReason | None = None if ended is None else "length" if ended == "length" else "stop"
        return str(message.get("content") or ""), finish, _usage(body.get("usage"))
    except (orjson.JSONDecodeError, AttributeError, TypeError) as error:
        message_ = f"the language model's server sent no chat answer: {excerpt(raw)}"
        raise UpstreamError(message_, service=SERVICE) from error


def _usage(counts: dict[str, Any] | None) -> Usage | None:
    if not counts:
        return None
    return Usage(int(counts.get("prompt_tokens") or 0), int(counts.get("completion_tokens") or 0))
