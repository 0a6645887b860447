"""Serving an app: as a process of its own, or inside one for tests and the command line."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from comps.core.errors import SettingsError
from comps.core.logs import configure_logging
from comps.core.settings import ServiceSettings
from comps.core.web.problems import sentence_of

MISCONFIGURED = 78
"""Exit code of a process whose settings cannot be used; EX_CONFIG of sysexits.h."""
Settings = TypeVar("Settings", bound=ServiceSettings)
_BACKLOG = 2048
_KEEP_ALIVE_S = 30


def serve(app: FastAPI, settings: ServiceSettings) -> None:
    """Serve until SIGINT or SIGTERM, then let open requests finish within the grace time. Blocks.

    Raises OSError when the port is taken or the address is not one of this machine.
    """
    BlockingServer(app, settings).run()


def serve_configured(settings: type[Settings], create_app: Callable[[Settings], FastAPI]) -> None:
    """Serve the app of the environment's settings, as `serve` does.

    What a variable cannot hold ends the process with `MISCONFIGURED`, the reason as the last line of its errors: starting
    it again would not help.
    """
    try:
        configured = settings()
    except (SettingsError, ValidationError) as error:
        reason = error.message if isinstance(error, SettingsError) else sentence_of(error.errors(include_url=False))
        sys.stderr.write(f"{reason}\n")
        sys.exit(MISCONFIGURED)
    with suppress(KeyboardInterrupt):  # uvicorn passes it on when it has stopped
        serve(create_app(configured), configured)


class BlockingServer:
    """A server that fills its thread until it is stopped; `tls` holds uvicorn's ``ssl_*`` options."""

    def __init__(self, app: FastAPI, settings: ServiceSettings, **tls: str | None) -> None:
        self._settings = settings
        self._server = _Server(_config(app, settings, log_level=settings.log_level, **tls))

    def run(self) -> None:
        """Bind, log, serve; returns after `stop` or a signal."""
        settings = self._settings
        configure_logging(settings.log_level, settings.log_format)
        with _bound_socket(settings.host, settings.port) as listener:
            self._server.run(sockets=[listener])

    def stop(self) -> None:
        """Stop accepting and let open requests finish; callable from any thread."""
        self._server.announce_stop()
        self._server.should_exit = True


@asynccontextmanager
async def running(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve `app` in the running event loop and yield its base URL (``http://127.0.0.1:43210``).

    Port 0 takes a free one. Raises OSError when the address cannot be bound. On leaving, open
    requests get the app's grace time.
    """
    with _bound_socket(host, port) as listener:
        server = _InnerServer(_config(app, app.state.settings, log_level="warning"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await _first(server.up.wait(), task)
            name = f"[{host}]" if ":" in host else host
            yield f"http://{name}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await asyncio.wait({task})


@asynccontextmanager
async def started(app: FastAPI) -> AsyncIterator[FastAPI]:
    """Run the lifespan of `app` without a socket, for calls over an ASGI transport; waits until it has loaded."""
    async with app.router.lifespan_context(app):
        await app.state.readiness.settled()
        yield app


def _config(app: FastAPI, settings: ServiceSettings, **options: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        ws_max_size=settings.max_body_bytes,
        # Sound and video do not get smaller by deflating them; it only costs time.
        ws_per_message_deflate=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_grace_s)),
        **options,
    )


class _Server(uvicorn.Server):
    """Makes `/readyz` say no as soon as the process is asked to stop."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.announce_stop()
        super().handle_exit(sig, frame)

    def announce_stop(self) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.readiness.become("stopping", "the service is shutting down")


class _InnerServer(uvicorn.Server):
    """A server inside a program of its own: leaves the signals alone and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as error:
            raise RuntimeError("the app could not start; the log says why") from error
        self.up.set()


@contextmanager
def _bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    # Named as TCP, else asyncio leaves Nagle's algorithm on and each answer waits 40 ms for an ACK.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
        yield listener


async def _first(ready: Coroutine[Any, Any, Any], task: asyncio.Task[None]) -> None:
    """Wait for `ready`; if `task` fails before, raise why."""
    waiter = asyncio.ensure_future(ready)
    await asyncio.wait({waiter, task}, return_when=asyncio.FIRST_COMPLETED)
    if not waiter.done():
        waiter.cancel()
        await task
