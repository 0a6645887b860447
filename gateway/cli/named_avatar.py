"""An avatar that the user of a command calls by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comps.core.errors import NotFoundError
from gateway.cli.calls import call, call_json, place
from gateway.cli.failure import UsageFailureError

if TYPE_CHECKING:
    import httpx


async def id_of(client: httpx.AsyncClient, avatar: str) -> str:
    """The id that `avatar` is, or of the one avatar that has this name.

    Raises:
        NotFoundError: it is neither.
        UsageFailureError: several avatars have the name.
    """
    try:
        await call(client, "GET", place("/v1/avatars", avatar))
    except NotFoundError:
        listed = (await call_json(client, "GET", "/v1/avatars"))["avatars"]
        ids = [known["id"] for known in listed if known["name"].lower() == avatar.lower()]
        if not ids:
            raise
        if len(ids) > 1:
            raise UsageFailureError(f"--avatar: several avatars are called {avatar}: {', '.join(ids)}") from None
        return str(ids[0])
    return avatar
