"""Outermost middleware: request id and deadline, access log, metrics, and the last net for errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from comps.core.context import (
    DEADLINE_HEADER,
    REQUEST_ID_HEADER,
    budget_s,
    deadline_var,
    request_id_from,
    request_id_var,
)
from comps.core.errors import AvatarError
from comps.core.statistics import LatencyWindow
from comps.core.web.asgi import Sent, send_error
from comps.core.web.metrics import Metrics
from comps.core.web.probes import PROBE_PATHS

logger = logging.getLogger(__name__)
access_logger = logging.getLogger("avatar.access")


class ObserveMiddleware:
    """Gives each request its id and deadline, counts it, logs it, and answers 500 for what nobody caught.

    Args:
        app: what to wrap.
        service: name put into errors and log lines.
        metrics: where requests are counted.
        latencies: where the latencies of work routes (all but the probes) are noted.
        timeout_s: longest time a request may take, seconds.
    """

    def __init__(
        self, app: ASGIApp, *, service: str, metrics: Metrics, latencies: LatencyWindow, timeout_s: float
    ) -> None:
        self.app = app
        self.service = service
        self.metrics = metrics
        self.latencies = latencies
        self.timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket; the lifespan passes untouched."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        with _request_context(scope, self.timeout_s) as request_id, self.metrics.in_progress.track_inprogress():
            watch = _Watch(send, request_id)
            try:
                await self._guarded(scope, receive, watch)
            finally:
                self._note(scope, watch)

    async def _guarded(self, scope: Scope, receive: Receive, sent: _Watch) -> None:
        try:
            await self.app(scope, receive, sent)
        except AvatarError as error:
            if scope["type"] == "http" and sent.status:
                raise
            await send_error(error, self.service, scope, receive, sent)
        except Exception as error:  # request boundary: whatever broke, the client gets the one shape
            logger.exception("unhandled error")
            if scope["type"] == "http" and sent.status:
                raise  # half a response is out: only breaking the connection tells the client
            await send_error(error, self.service, scope, receive, sent)

    def _note(self, scope: Scope, watch: _Watch) -> None:
        elapsed = time.perf_counter() - watch.started
        method = scope.get("method", "WEBSOCKET")
        route = getattr(scope.get("route"), "path", "unmatched")
        status = watch.status or 499
        self.metrics.requests.labels(method, route, str(status)).inc()
        self.metrics.durations.labels(method, route).observe(elapsed)
        if watch.first_byte is not None:
            self.metrics.first_bytes.labels(method, route).observe(watch.first_byte)
        if scope["type"] == "http" and scope["path"] not in PROBE_PATHS and route != "unmatched" and status < 400:
            self.latencies.append_latency(elapsed, watch.first_byte)
        level = logging.DEBUG if scope["path"] in PROBE_PATHS else logging.INFO
        fields = {"method": method, "route": route, "status": status, "duration_ms": round(elapsed * 1000, 2)}
        access_logger.log(level, "request", extra={"fields": {"service": self.service, **fields}})


class _Watch(Sent):
    """Also echoes the request id and times the first byte of the body, seconds."""

    def __init__(self, send: Send, request_id: str) -> None:
        super().__init__(send)
        self.request_id = request_id
        self.started = time.perf_counter()
        self.first_byte: float | None = None

    async def __call__(self, message: Message) -> None:
        """Send on with the request id in the headers."""
        if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            message.setdefault("headers", [])
            MutableHeaders(scope=message)[REQUEST_ID_HEADER] = self.request_id
        elif message["type"] == "http.response.body" and self.first_byte is None:
            self.first_byte = time.perf_counter() - self.started
        await super().__call__(message)


@contextmanager
def _request_context(scope: Scope, limit_s: float) -> Iterator[str]:
    """Set the id and the deadline; a WebSocket session has a deadline only when its client gave one."""
    headers = Headers(scope=scope)
    request_id = request_id_from(headers.get(REQUEST_ID_HEADER))
    limit = limit_s if scope["type"] == "http" else float("inf")
    budget = budget_s(headers.get(DEADLINE_HEADER), limit)
    deadline = None if budget == float("inf") else time.monotonic() + budget
    id_token, deadline_token = request_id_var.set(request_id), deadline_var.set(deadline)
    try:
        yield request_id
    finally:
        request_id_var.reset(id_token)
        deadline_var.reset(deadline_token)
