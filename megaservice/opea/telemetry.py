"""OPEA's tracing decorator, over OpenTelemetry's API.

Without an SDK (extra ``otel``) configured by the program, spans cost next to nothing and go nowhere.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar, cast

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def opea_telemetry(func: FunctionT) -> FunctionT:
    """Run `func`, a function or a coroutine function, in a span of its name."""
    if inspect.iscoroutinefunction(func):

        @functools.wraps(func)
        async def traced(*args: Any, **kwargs: Any) -> Any:
            with _span(func):
                return await func(*args, **kwargs)

        return cast("FunctionT", traced)

    @functools.wraps(func)
    def traced_call(*args: Any, **kwargs: Any) -> Any:
        with _span(func):
            return func(*args, **kwargs)

    return cast("FunctionT", traced_call)


def _span(func: Callable[..., Any]) -> AbstractContextManager[Any]:
    try:
        from opentelemetry import trace
    except ImportError:
        return nullcontext()
    return trace.get_tracer(func.__module__).start_as_current_span(func.__name__)
