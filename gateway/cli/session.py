"""The gateway a command talks to: a running one by URL, or one in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from typing import TYPE_CHECKING, Any

from gateway.cli.failure import FailureError
from gateway.cli.knowledge_folder import check_knowledge_folder

if TYPE_CHECKING:
    import httpx

STAGES = ("asr", "llm", "tts", "animation")
_CONNECT_S = 5.0


@asynccontextmanager
async def gateway_client(url: str, stages: Sequence[str] = STAGES) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway at `url`, or of one that runs in this process.

    Args:
        url: base URL; empty runs the gateway and `stages` here, over the apps their own processes would serve.
        stages: the services the command needs; the others are not loaded.

    Raises:
        FailureError: the gateway cannot be reached, or a service cannot load.
    """
    if url:
        async with _remote(url) as client:
            yield client
    else:
        if not {"asr", "llm"}.isdisjoint(stages):
            check_knowledge_folder()
        async with _in_process(stages) as client:
            yield client


@asynccontextmanager
async def _remote(url: str) -> AsyncIterator[httpx.AsyncClient]:
    import httpx

    from comps.core.client import ClientOptions, create_client

    if not url.startswith(("http://", "https://")):
        raise FailureError(f"'{url}' is not a URL; it begins with http:// or https://")
    async with create_client(url.rstrip("/"), ClientOptions(connect_timeout_s=_CONNECT_S)) as client:
        try:
            await client.get("/livez")
        except httpx.HTTPError as error:
            raise FailureError(f"no gateway answers at {url}; is `avatarchatbot up` running?") from error
        yield client


@asynccontextmanager
async def _in_process(stages: Sequence[str]) -> AsyncIterator[httpx.AsyncClient]:
    import tempfile
    from pathlib import Path

    from comps.core.client import ClientOptions, create_client
    from comps.core.own_folder import OwnFolder
    from gateway.app import create_app
    from gateway.settings import IN_PROCESS, GatewaySettings
    from megaservice.transport.asgi import AsgiTransport
    from megaservice.transport.lifespan import running_lifespan

    videos = OwnFolder(Path(tempfile.gettempdir()), "avatarchatbot-")
    with _quiet_logs(), closing(videos):
        videos.clear_leftovers()
        urls: dict[str, Any] = {f"{stage}_url": IN_PROCESS if stage in stages else "" for stage in STAGES}
        app = create_app(GatewaySettings(outputs_dir=videos.path, **urls))
        async with running_lifespan(app):
            if app.state.readiness.state != "ready":
                raise FailureError(app.state.readiness.reason)
            transport = AsgiTransport(app)
            async with create_client("http://gateway.in-process", ClientOptions(transport=transport)) as client:
                yield client


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """The services of this process say nothing on the terminal, unless AVATAR_LOG_LEVEL asks them to."""
    import logging
    import os

    from comps.core.logs import configure_logging
    from comps.core.settings import ServiceSettings

    if os.environ.get("AVATAR_LOG_LEVEL"):
        configure_logging(ServiceSettings().log_level, "text")
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
