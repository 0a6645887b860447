"""The face engine and the enhancer of a request, asked for before any other stage works for it."""

from __future__ import annotations

from comps.core.client import Call, request_bytes
from comps.core.errors import MethodNotAllowedError, NotFoundError
from gateway.request import Appearance
from megaservice.transport.endpoint import Endpoint


class RemoteEngines:
    """Asks the animation service to load what a request names.

    Args:
        animation: the service, or None where a deployment has none.
    """

    def __init__(self, animation: Endpoint | None) -> None:
        self._animation = animation

    async def require(self, body: Appearance) -> None:
        """Raise what the service says when it cannot use them: no such name, no library, no weights.

        A request that names none is not asked about: what the service uses then has loaded when it started. A service
        that does not have the route says it later.
        """
        wanted = {"engine": body.engines.animation, "enhancer": body.enhancer}
        if self._animation is None or not any(wanted.values()):
            return
        call = Call(self._animation.service, self._animation.url("/v1/animation/warm"), json=wanted)
        try:
            await request_bytes(self._animation.client, call)
        except (NotFoundError, MethodNotAllowedError):
            return
