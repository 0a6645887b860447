"""Refuses what a page on another site makes a browser send to this server.

A browser lets any page send forms, plain text and WebSocket handshakes to any address, the user's own machine included;
the page cannot read the answer, but the request has had its effect. The rule is the one of Filippo Valsorda's
"Cross-Site Request Forgery" (2025), which needs no tokens: browsers say where a request comes from in
``Sec-Fetch-Site`` and ``Origin``, and a program that is no browser sends neither.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from comps.core.errors import ForeignOriginError
from comps.core.settings import ANY_ORIGIN

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


class OriginMiddleware:
    """Lets requests that change something, and WebSockets, through only from programs and from pages of its own.

    Args:
        app: what to wrap.
        allowed: origins (``https://example.com:8443``) of other pages that may call; ``*`` allows every page.
    """

    def __init__(self, app: ASGIApp, *, allowed: Collection[str]) -> None:
        self.app = app
        self.allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request or WebSocket."""
        if scope["type"] == "websocket" or (scope["type"] == "http" and scope["method"] not in _SAFE_METHODS):
            self._require_own(scope)
        await self.app(scope, receive, send)

    def _require_own(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        if ANY_ORIGIN in self.allowed or (origin and origin in self.allowed):
            return
        site = headers.get("sec-fetch-site", "")
        own = site in _OWN_SITES if site else not origin or _is_own(origin, headers.get("host", ""), scope)
        if not own:
            raise ForeignOriginError(
                f"pages of {origin[:200] or 'another site'} may not call this server; "
                "AVATAR_ALLOWED_ORIGINS names those that may"
            )


def _is_own(origin: str, host: str, scope: Scope) -> bool:
    """Whether a browser too old, or a connection too plain, for ``Sec-Fetch-Site`` shows a page of this server.

    A name that has been pointed at a loopback address after its page was loaded (DNS rebinding) is not ours, although
    `Origin` and `Host` agree.
    """
    try:
        parts, here = urlsplit(origin), urlsplit(f"//{host}")
        default = _DEFAULT_PORTS.get(parts.scheme)
        same = (parts.hostname, parts.port or default) == (here.hostname, here.port or default)
    except ValueError:
        return False
    local = _is_loopback(str((scope.get("server") or ("",))[0]))
    return same and here.hostname is not None and not (local and not _is_loopback(here.hostname))


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
