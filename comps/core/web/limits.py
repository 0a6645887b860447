"""Middleware that bounds what one request and all of them together may take."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from comps.core.context import remaining_s
from comps.core.errors import BusyError, TooLargeError, UpstreamTimeoutError
from comps.core.web.asgi import Sent, send_error
from comps.core.web.probes import PROBE_PATHS
from comps.core.web.readiness import Readiness

_WATCH_AFTER_S = 0.03
"""Requests shorter than this are not worth a task that watches for their client leaving."""


class AdmissionMiddleware:
    """Lets work in only when the service is ready (else 503) and not full (else 429).

    Probes always pass, and so does what lies at or below `always`: a page that itself waits for the service.
    """

    def __init__(
        self, app: ASGIApp, *, readiness: Readiness, max_concurrent: int, always: tuple[str, ...] = ()
    ) -> None:
        self.app = app
        self.readiness = readiness
        self.max_concurrent = max_concurrent
        self.active = 0
        self.always = frozenset(always)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request or WebSocket."""
        if scope["type"] == "lifespan" or scope["path"] in PROBE_PATHS or self._always(scope["path"]):
            await self.app(scope, receive, send)
            return
        self.readiness.require()
        if self.active >= self.max_concurrent:
            raise BusyError(f"{self.active} requests are being served, which is as many as fit", retry_after_s=1)
        self.active += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.active -= 1

    def _always(self, path: str) -> bool:
        return path in self.always or f"/{path.split('/')[1]}/" in self.always


class BodyLimitMiddleware:
    """Answers 413 as soon as a body is known to be, or becomes, longer than `max_bytes`."""

    def __init__(self, app: ASGIApp, *, service: str, max_bytes: int) -> None:
        self.app = app
        self.service = service
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request with its body counted."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length) > self.max_bytes:
            raise self._too_large()
        body = _CountedBody(receive, self.max_bytes)
        sent = Sent(send)

        async def send_unless_exceeded(message: Message) -> None:
            if not body.exceeded or sent.status:
                await sent(message)

        with suppress(_ExceededError):
            await self.app(scope, body.receive, send_unless_exceeded)
        if body.exceeded and not sent.status:
            await send_error(self._too_large(), self.service, scope, receive, sent)

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"the body is larger than {self.max_bytes} bytes, which is the limit")


class _ExceededError(Exception):
    """Stops whoever reads the body; whatever they make of it, the client gets 413."""


class _CountedBody:
    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._left = max_bytes
        self.exceeded = False

    async def receive(self) -> Message:
        if self.exceeded:
            raise _ExceededError
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.exceeded = True
            raise _ExceededError
        return message


class LifetimeMiddleware:
    """Stops the work of a request when its deadline passes (504) or its client leaves."""

    def __init__(self, app: ASGIApp, *, service: str) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within its deadline."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        with anyio.move_on_after(remaining_s()) as lifetime:
            connection = _Connection(scope, receive, lifetime)
            if scope["type"] == "websocket":
                await self.app(scope, receive, send)
            else:
                await connection.serve(self.app, scope, Sent(send))
        if lifetime.cancelled_caught and not connection.gone:
            raise UpstreamTimeoutError(f"{self.service} did not finish before the request's deadline")


class _Connection:
    """Shares one `receive` between the application, which reads the body, and the watch for the client leaving.

    The watch may only listen once the body has been read; a request without one is watched from the start.
    """

    def __init__(self, scope: Scope, receive: Receive, lifetime: anyio.CancelScope) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        self._lifetime = lifetime
        self._bodyless = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        self._body_read = asyncio.Event()
        self._gone = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        if self._bodyless:
            self._body_read.set()

    async def receive(self) -> Message:
        """The application's view: the body, then the disconnect."""
        if self._bodyless:
            self._bodyless = False
            return {"type": "http.request", "body": b"", "more_body": False}
        if not self._body_read.is_set():
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone.set()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                self._body_read.set()
            return message
        await self._gone.wait()
        return {"type": "http.disconnect"}

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self._gone.is_set()

    async def serve(self, app: ASGIApp, scope: Scope, sent: Sent) -> None:
        """Run `app` and, if it takes a while, the watch beside it."""
        start = asyncio.get_running_loop().call_later(_WATCH_AFTER_S, self._start_watch, sent)
        try:
            await app(scope, self.receive, sent)
        finally:
            start.cancel()
            if self._watcher is not None:
                self._watcher.cancel()

    def _start_watch(self, sent: Sent) -> None:
        self._watcher = asyncio.create_task(self._watch(sent))

    async def _watch(self, sent: Sent) -> None:
        """Cancel the work if the disconnect comes before the response is complete."""
        await self._body_read.wait()
        while not self.gone:
            if (await self._receive())["type"] == "http.disconnect":
                self._gone.set()
        if not sent.complete:
            self._lifetime.cancel()
