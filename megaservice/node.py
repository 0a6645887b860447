"""One service as a node: where it is, how it is called, and what its answer is."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from pydantic import BaseModel

from comps.core.client import Call, ClientOptions, create_client, json_of, request_bytes
from comps.core.microservice import MicroService
from megaservice.metrics import metrics
from megaservice.transport.asgi import AsgiTransport
from megaservice.transport.lifespan import running_lifespan


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """How a node is called.

    Args:
        timeout_s: longest time for one call.
        idempotent: calling twice does no harm, so any passing failure may be tried again; without it
            only a connection that could not be made is.
        in_process: call the service's own app in this process instead of its URL.
    """

    timeout_s: float = 120.0
    idempotent: bool = False
    in_process: bool = False


class Node:
    """A service that can be called."""

    def __init__(self, service: MicroService, options: NodeOptions, nodes: Nodes) -> None:
        self.service = service
        self.options = options
        self.short_name = service.short_name
        self.latency = metrics.node.labels(service.short_name)
        key = service.api_key
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._nodes = nodes

    @property
    def client(self) -> httpx.AsyncClient:
        """The pooled client that reaches the service."""
        return self._nodes.client(self)

    def request(self, body: Any) -> Call:
        """The call that sends `body`, a mapping or a document."""
        data = body.model_dump(exclude_none=True) if isinstance(body, BaseModel) else body
        model = data.get("model") if isinstance(data, dict) else None
        return Call(
            service=self.short_name,
            url=self.service.endpoint_path(model),
            content=orjson.dumps(data),
            headers=self._headers,
            idempotent=self.options.idempotent,
            timeout_s=self.options.timeout_s,
        )

    async def call(self, body: Any) -> Any:
        """Send `body`; returns the parsed JSON, or the bytes of an answer that is audio, video or a picture.

        Raises:
            UpstreamError: the service failed, or answered neither; its name is in the error.
            UpstreamTimeoutError: it took too long.
            AvatarError: its own refusal (4xx), passed on.
        """
        answer = await request_bytes(self.client, self.request(body))
        if answer.content_type.startswith(("audio/", "video/", "image/", "application/octet-stream")):
            return answer.body
        return json_of(answer, self.short_name)


class Nodes:
    """The nodes of an orchestrator and their connections, which belong to the running event loop."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outer: httpx.AsyncClient | None = None
        self._inner: dict[str, httpx.AsyncClient] = {}
        self._lifespans = AsyncExitStack()

    def add(self, service: MicroService, options: NodeOptions) -> None:
        """Add a node under the service's name."""
        self._nodes[service.name] = Node(service, options, self)

    def __getitem__(self, name: str) -> Node:
        return self._nodes[name]

    def client(self, node: Node) -> httpx.AsyncClient:
        """The client for `node`, made on first use: one pool for all URLs, one client per app in this process."""
        self._follow_loop()
        if not node.options.in_process:
            if self._outer is None:
                self._outer = create_client()
            return self._outer
        name = node.service.name
        if name not in self._inner:
            self._inner[name] = create_client(options=ClientOptions(transport=AsgiTransport(node.service.app)))
        return self._inner[name]

    async def start(self) -> None:
        """Run the lifespans of the apps in this process until `aclose`; RuntimeError when one fails to start."""
        for node in self._nodes.values():
            if node.options.in_process:
                await self._lifespans.enter_async_context(running_lifespan(node.service.app))

    async def aclose(self) -> None:
        """Close every connection and stop the apps in this process."""
        clients = [*self._inner.values(), *([self._outer] if self._outer else [])]
        self._outer, self._inner = None, {}
        for client in clients:
            await client.aclose()
        await self._lifespans.aclose()

    def _follow_loop(self) -> None:
        """Forget connections of a loop that is gone: OPEA's programs may run one loop per request."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._outer, self._inner = loop, None, {}
