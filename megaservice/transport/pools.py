"""The pooled client for a URL: a lean one where nothing stands between, httpx's own elsewhere."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from comps.core.client import ClientOptions, create_client
from megaservice.transport.http11 import Http11Transport

_PLAIN = frozenset(("content", "headers", "data", "files"))
_URLS = 256


class Pools:
    """Two pooled clients, each made when it is first needed; both belong to the running event loop."""

    def __init__(self, options: ClientOptions | None = None) -> None:
        self._options = options or ClientOptions()
        self._direct: httpx.AsyncClient | None = None
        self._general: httpx.AsyncClient | None = None

    def client(self, url: str) -> httpx.AsyncClient:
        """The client for `url`."""
        if self._options.transport is None and is_direct(url):
            if self._direct is None:
                self._direct = _lean_client(self._options)
            return self._direct
        if self._general is None:
            self._general = create_client(options=self._options)
        return self._general

    async def aclose(self) -> None:
        """Close both."""
        clients = [client for client in (self._direct, self._general) if client is not None]
        self._direct = self._general = None
        for client in clients:
            await client.aclose()


class LeanClient(httpx.AsyncClient):
    """A client that keeps no cookies and follows no redirects, and so need not look for any."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._urls: dict[str, httpx.URL] = {}
        self._own_headers = dict(options.get("headers") or {})
        self._extensions = {"timeout": self.timeout.as_dict()}

    def build_request(self, method: str, url: httpx.URL | str, **parts: Any) -> httpx.Request:
        """As httpx's, with a shorter way for what most calls are: a body of bytes, sent to a URL seen before."""
        if (
            not isinstance(url, str)
            or not url.startswith("http")
            or parts.keys() - _PLAIN
            or parts.get("data")
            or parts.get("files")
        ):
            return super().build_request(method, url, **parts)
        if len(self._urls) > _URLS:
            self._urls.clear()
        parsed = self._urls.get(url) or self._urls.setdefault(url, httpx.URL(url))
        headers = {**self._own_headers, **(parts.get("headers") or {})}
        return httpx.Request(method, parsed, headers=headers, content=parts.get("content"), extensions=self._extensions)

    async def send(self, request: httpx.Request, *, stream: bool = False, **_: Any) -> httpx.Response:
        """Send straight over the transport; options for cookies, credentials and redirects have no effect."""
        response = await self._transport.handle_async_request(request)
        response.request = request
        if not stream:
            await response.aread()
        return response


def _lean_client(options: ClientOptions) -> LeanClient:
    return LeanClient(
        headers={"Authorization": f"Bearer {options.api_key}"} if options.api_key else {},
        timeout=httpx.Timeout(options.read_timeout_s, connect=options.connect_timeout_s, pool=options.pool_timeout_s),
        transport=Http11Transport(options.max_connections),
    )


def is_direct(url: str) -> bool:
    """True for ``http://`` URLs that the environment sends through no proxy."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or not host:
        return False
    if host == "localhost" or _is_loopback(host):
        return True
    proxies = getproxies()
    return not (proxies.get("http") or proxies.get("all")) or bool(proxy_bypass(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
