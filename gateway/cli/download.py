"""Fetching a finished video from the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.failure import FailureError
from gateway.cli.output import written_whole

if TYPE_CHECKING:
    import httpx


async def download(client: httpx.AsyncClient, path: str, output: Path) -> None:
    """Write what the gateway has at `path` to a file, whole or not at all; raises FailureError."""
    with written_whole(output) as file:
        async with client.stream("GET", path) as response:
            if not response.is_success:
                raise FailureError(f"the finished video could not be fetched (status {response.status_code})")
            async for piece in response.aiter_bytes():
                file.write(piece)
