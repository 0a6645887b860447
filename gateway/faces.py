"""The avatar of a request: a registered one, or a picture that is animated for this request only."""

from __future__ import annotations

import anyio.to_thread

from comps.core.client import Call, request_json
from comps.core.errors import UnprocessableError, UpstreamError
from comps.core.media.base64_data import decode_base64
from gateway.request import Appearance
from megaservice.transport.endpoint import Endpoint


class RemoteFaces:
    """Asks the animation service to take pictures in.

    Args:
        animation: the service, or None where a deployment has none.
        max_bytes: largest picture, decoded.
    """

    def __init__(self, animation: Endpoint | None, max_bytes: int) -> None:
        self._animation = animation
        self._max_bytes = max_bytes

    async def avatar_of(self, body: Appearance) -> str:
        """Id of the avatar `body` asks for; errors are the client's (413, 415, 422) or the service's."""
        if body.image is None:
            return body.avatar
        if self._animation is None:
            raise UnprocessableError("this deployment has no animation service", param="image")
        picture = await anyio.to_thread.run_sync(decode_base64, body.image, "image", self._max_bytes)
        call = Call(
            service=self._animation.service,
            url=self._animation.url("/v1/avatars"),
            files={"file": ("image", picture)},
            data={"temporary": "true"},
            idempotent=True,
        )
        answer = await request_json(self._animation.client, call)
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise UpstreamError("animation took the picture but gave it no id", service=self._animation.service)
        return str(answer["id"])
