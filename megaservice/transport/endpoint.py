"""A service one can call: by URL over a shared pool, or in this process over its ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from starlette.types import ASGIApp

from comps.core.client import ClientOptions, create_client
from comps.core.context import DEADLINE_HEADER, REQUEST_ID_HEADER, remaining_s, request_id
from megaservice.transport.asgi import AsgiTransport
from megaservice.transport.channel import Channel, open_in_process, open_socket
from megaservice.transport.lifespan import running_lifespan

Target = str | ASGIApp
"""A base URL (``http://127.0.0.1:7066``) or an ASGI app."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one service is reached; `client` is open as long as whoever made the endpoint keeps it."""

    service: str
    base_url: str
    client: httpx.AsyncClient
    app: ASGIApp | None = None

    def url(self, path: str) -> str:
        """Absolute URL of `path` (which begins with a slash)."""
        return self.base_url + path

    def websocket(self, path: str) -> AbstractAsyncContextManager[Channel]:
        """Open a WebSocket at `path`; errors as `open_socket`. Request id and deadline go along."""
        if self.app is not None:
            return open_in_process(self.app, path, self.service, carried_headers())
        return open_socket("ws" + self.url(path).removeprefix("http"), self.service, carried_headers())


def carried_headers() -> dict[str, str]:
    """Id and deadline of the request being served, as headers for the next service."""
    headers = {REQUEST_ID_HEADER: request_id()} if request_id() else {}
    left = remaining_s()
    if left is not None:
        headers[DEADLINE_HEADER] = str(round(left * 1000))
    return headers


@asynccontextmanager
async def open_endpoints(
    targets: Mapping[str, Target], options: ClientOptions | None = None
) -> AsyncIterator[dict[str, Endpoint]]:
    """Endpoints of `targets` (service name to target): one pool for all URLs, lifespans of the apps run.

    Raises:
        RuntimeError: an app failed to start.
    """
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(create_client(options=options))
        yield {name: await _endpoint(name, target, pool, stack) for name, target in targets.items()}


async def _endpoint(name: str, target: Target, pool: httpx.AsyncClient, stack: AsyncExitStack) -> Endpoint:
    if isinstance(target, str):
        return Endpoint(name, target.rstrip("/"), pool)
    await stack.enter_async_context(running_lifespan(target))
    client = create_client(options=ClientOptions(transport=AsgiTransport(target)))
    return Endpoint(name, f"http://{name}.in-process", await stack.enter_async_context(client), target)
