"""What every call does besides its work: it ends with the right code, and is counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from comps.animation.audio2face.server.failures import INTERNAL_MESSAGE, code_of
from comps.animation.audio2face.server.metrics import StreamMetrics
from comps.core.errors import AvatarError

Context = grpc.aio.ServicerContext[Any, Any]
LastWords = Callable[[AvatarError], Awaitable[None]]

LAST_WORDS_S = 1.0
"""A client that does not read is not waited for longer than this before its call is aborted."""

log = logging.getLogger(__name__)


@asynccontextmanager
async def answered(
    context: Context, method: str, metrics: StreamMetrics, last_words: LastWords | None = None
) -> AsyncIterator[None]:
    """Turns what the body raises into a gRPC code; `last_words` are sent before it."""
    try:
        yield
        metrics.called(method, grpc.StatusCode.OK.name)
    except asyncio.CancelledError:
        metrics.called(method, grpc.StatusCode.CANCELLED.name)
        raise
    except AvatarError as error:
        await _abort(context, method, metrics, error, last_words)
    except Exception:  # call boundary: the client gets INTERNAL, the log has the trace
        log.exception("%s failed", method)
        await _abort(context, method, metrics, AvatarError(INTERNAL_MESSAGE), last_words)


async def _abort(
    context: Context, method: str, metrics: StreamMetrics, error: AvatarError, last_words: LastWords | None
) -> None:
    code = code_of(error)
    metrics.called(method, code.name)
    if last_words is not None:
        try:
            await asyncio.wait_for(last_words(error), LAST_WORDS_S)
        except (asyncio.TimeoutError, grpc.RpcError, grpc.aio.UsageError):
            log.info("the client of a failed %s does not read", method)
    # gRPC waits here until a client that does not read has gone; the trace would keep its whole clip
    error.__traceback__ = error.__context__ = None
    await context.abort(code, error.message)
