"""Reads what OpenAI-compatible servers answer: server-sent events, or one object from those that do not stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson

from comps.core.error_shape import error_from_body, excerpt
from comps.core.errors import UpstreamError
from comps.llm.engine import FinishReason, TextPiece, Usage
from comps.llm.reply import SERVICE

MAX_EVENT_BYTES = 1024 * 1024
_OTHER_FIELDS = (b"event:", b"id:", b"retry:", b":")


async def read_chat(parts: AsyncGenerator[bytes, None]) -> AsyncGenerator[TextPiece, None]:
    """The answer's pieces; the last one has `finish`, and `usage` when the server counts.

    Raises:
        UpstreamError: it is no chat answer, it reports an error, or it breaks off before it is finished.
    """
    finish: FinishReason | None = None
    usage: Usage | None = None
    async with aclosing(parts), aclosing(_bodies(parts)) as bodies:
        async for raw in bodies:
            text, ended, counted = _read(raw)
            finish, usage = ended or finish, counted or usage
            if text:
                yield TextPiece(text)
    if finish is None:
        raise UpstreamError("the language model's server broke off in the middle of its answer", service=SERVICE)
    yield TextPiece("", finish=finish, usage=usage)


async def _bodies(parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The JSON bodies of events up to ``[DONE]``, or the one body of an answer that is not streamed."""
    async with aclosing(_lines(parts)) as lines:
        async for line in lines:
            if line.startswith(b"data:"):
                if (data := line[5:].strip()) == b"[DONE]":
                    return
                yield data
            elif line.startswith(b"{"):
                yield line
            elif line and not line.startswith(_OTHER_FIELDS):
                raise UpstreamError(
                    f"the language model's server sent no chat answer: {excerpt(line)}", service=SERVICE
                )


async def _lines(parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Lines without their ends; a body that begins with ``{`` is one line, however it is written."""
    buffer = b""
    whole = False
    async for part in parts:
        buffer += part
        whole = whole or buffer.lstrip()[:1] == b"{"
        while not whole and b"\n" in buffer:
            line, _, buffer = buffer.partition(b"\n")
            yield line.rstrip(b"\r")
        if len(buffer) > MAX_EVENT_BYTES:
            message = f"the language model's server sent a line of more than {MAX_EVENT_BYTES} bytes"
            raise UpstreamError(message, service=SERVICE)
    if buffer.strip():
        yield buffer.strip()


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
