"""Whether a service can work yet, and the task that loads it while the probes already answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal

from fastapi import FastAPI

from comps.core.errors import AvatarError, NotReadyError

Startup = Callable[[FastAPI], AbstractAsyncContextManager[None]]
State = Literal["loading", "ready", "failed", "stopping"]

logger = logging.getLogger(__name__)


class Readiness:
    """State of one application. `reason` says why it is not ready."""

    def __init__(self) -> None:
        self.state: State = "loading"
        self.reason = "the service is still loading"
        self._settled = asyncio.Event()

    def become(self, state: State, reason: str = "") -> None:
        """Change the state; `settled` wakes when loading is over."""
        self.state, self.reason = state, reason
        if state != "loading":
            self._settled.set()

    async def settled(self) -> None:
        """Wait until loading has ended, well or badly."""
        await self._settled.wait()

    def require(self) -> None:
        """Raise NotReadyError unless the service is ready."""
        if self.state != "ready":
            raise NotReadyError(self.reason)


@asynccontextmanager
async def loading(app: FastAPI, readiness: Readiness, startup: Startup | None) -> AsyncIterator[None]:
    """Hold `startup` open in a task of its own while the body runs; cancel it if it never finished loading."""
    if startup is None:
        readiness.become("ready")
        yield
        return
    stop = asyncio.Event()
    task = asyncio.create_task(_hold(app, readiness, startup, stop))
    try:
        yield
    finally:
        if readiness.state == "loading":
            task.cancel()
        readiness.become("stopping", "the service is shutting down")
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


async def _hold(app: FastAPI, readiness: Readiness, startup: Startup, stop: asyncio.Event) -> None:
    try:
        async with startup(app):
            readiness.become("ready")
            await stop.wait()
    except AvatarError as error:
        _fail(readiness, error.message, expected=True)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
        _fail(readiness, f"loading failed ({reason})")
    except Exception as error:  # noqa: BLE001 - task boundary: the probes must go on answering and say so
        _fail(readiness, f"loading failed ({type(error).__name__}); the log says why")


def _fail(readiness: Readiness, reason: str, *, expected: bool = False) -> None:
    if readiness.state == "loading":
        readiness.become("failed", reason)
        logger.error("the service failed to load: %s", reason, exc_info=not expected)
    else:
        logger.exception("the service failed to shut down cleanly")
