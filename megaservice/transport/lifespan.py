"""Running the lifespan of an ASGI app that no server serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Scope

from megaservice.tasks import end_tasks


@asynccontextmanager
async def running_lifespan(app: ASGIApp) -> AsyncIterator[None]:
    """Start `app`, wait until it has loaded if it is one of our services, and shut it down on leaving.

    Raises:
        RuntimeError: the app says that its start-up failed. An app without a lifespan is fine.
    """
    lifespan = _Lifespan()
    task = asyncio.create_task(lifespan.run(app))
    try:
        await lifespan.startup()
        if isinstance(app, FastAPI) and hasattr(app.state, "readiness"):
            await app.state.readiness.settled()
        yield
    finally:
        await lifespan.shutdown()
        await end_tasks([task], cancel=False)


class _Lifespan:
    def __init__(self) -> None:
        self._to_app: asyncio.Queue[Message] = asyncio.Queue(2)
        self._from_app: asyncio.Queue[Message] = asyncio.Queue(2)
        self._ended = asyncio.Event()

    async def run(self, app: ASGIApp) -> None:
        scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await app(scope, self._to_app.get, self._from_app.put)
        finally:
            self._ended.set()

    async def startup(self) -> None:
        reply = await self._ask("lifespan.startup")
        if reply.get("type") == "lifespan.startup.failed":
            raise RuntimeError(f"the app failed to start: {reply.get('message', '')}")

    async def shutdown(self) -> None:
        if not self._ended.is_set():
            await self._ask("lifespan.shutdown")

    async def _ask(self, kind: str) -> Message:
        """Send `kind` and wait for the reply, or for the app to end, which some do at once."""
        await self._to_app.put({"type": kind})
        reply = asyncio.ensure_future(self._from_app.get())
        ended = asyncio.ensure_future(self._ended.wait())
        await asyncio.wait({reply, ended}, return_when=asyncio.FIRST_COMPLETED)
        for waiter in (reply, ended):
            if not waiter.done():
                waiter.cancel()
        return reply.result() if reply.done() and not reply.cancelled() else {}
