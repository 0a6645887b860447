"""Plain calls to the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from comps.core.error_shape import error_from_response
from comps.core.errors import UpstreamError
from gateway.cli.failure import UsageFailureError

if TYPE_CHECKING:
    import httpx


def place(folder: str, name: str) -> str:
    """The path of one thing of the gateway; raises UsageFailureError for what is no id, or leads to another place."""
    if not name.strip():
        raise UsageFailureError("the id is empty")
    if not name.strip("."):
        raise UsageFailureError(f"'{name}' is no id")
    return f"{folder}/{quote(name, safe='')}"


async def call(client: httpx.AsyncClient, method: str, path: str, **body: Any) -> httpx.Response:
    """A good answer; raises AvatarError with what the gateway said."""
    import httpx

    try:
        response = await client.request(method, path, **body)
    except httpx.HTTPError as error:
        raise UpstreamError(f"the connection broke ({type(error).__name__})", service="gateway") from error
    if not response.is_success:
        kind = response.headers.get("content-type", "")
        raise error_from_response(response.status_code, response.content, kind, "gateway")
    return response


async def call_json(client: httpx.AsyncClient, method: str, path: str, **body: Any) -> Any:
    """The JSON of a good answer."""
    return (await call(client, method, path, **body)).json()
