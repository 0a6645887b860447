"""The pooled client for a URL: a lean one where nothing stands between, httpx's own elsewhere."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from comps.core.client import ClientOptions, create_client
from megaservice.transport.http11 import Http11Transport


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
                transport = Http11Transport(self._options.max_connections)
                self._direct = create_client(options=replace(self._options, transport=transport))
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
