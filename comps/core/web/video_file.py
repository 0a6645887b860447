"""A finished video as a response."""

from __future__ import annotations

from fastapi.responses import FileResponse, JSONResponse
from starlette.types import Message, Receive, Scope, Send

from comps.core.error_shape import error_body, framework_error

_MESSAGES = {400: "the Range header cannot be read", 416: "the range lies outside the video"}


class _BadRangeError(Exception):
    """Instead of the framework's plain text."""

    def __init__(self, start: Message) -> None:
        super().__init__()
        self.status: int = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"] if name == b"content-range"}


class VideoFile(FileResponse):
    """An MP4 file with byte ranges; a bad range is refused in the shape that all errors have.

    Args:
        path: an existing file.
        service: named in errors.
        headers: beyond those of a file.
    """

    def __init__(self, path: str, service: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(path, media_type="video/mp4", headers=headers)
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; 400 or 416 for a range that cannot be served."""

        async def checked(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _MESSAGES:
                raise _BadRangeError(message)
            await send(message)

        try:
            await super().__call__(scope, receive, checked)
        except _BadRangeError as refused:
            body = error_body(framework_error(refused.status, _MESSAGES[refused.status]), self._service)
            await JSONResponse(body, refused.status, refused.headers)(scope, receive, send)
