"""A gRPC server on one address: endpoints, health and reflection."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

_SPARE_CALLS = 64
"""Calls besides streams that one connection may have open: health, configuration, refusals."""
_OPTIONS: Mapping[str, int] = {
    # a second server on the same port must fail, not share it
    "grpc.so_reuseport": 0,
    # a client that vanished is found out, and one that keeps a silent connection alive by pings is not thrown off
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 20_000,
    "grpc.http2.min_ping_interval_without_data_ms": 10_000,
}


class Listener:
    """Listens from `start` to `stop`. Its health is NOT_SERVING until it is told otherwise.

    Args:
        address: HOST:PORT; port 0 takes a free one.
        credentials: None is unencrypted.
        endpoints: full service name to its handler.
        streams: calls that one connection may have open, besides short ones.
        largest_message: bytes; None is gRPC's usual 4 MB.
    """

    def __init__(
        self,
        address: str,
        endpoints: Mapping[str, grpc.GenericRpcHandler],
        *,
        credentials: grpc.ServerCredentials | None = None,
        streams: int = 0,
        largest_message: int | None = None,
    ) -> None:
        self._address, self._credentials = address, credentials
        self.port = 0
        self._options: list[tuple[str, int]] = [
            *_OPTIONS.items(),
            ("grpc.max_concurrent_streams", streams + _SPARE_CALLS),
        ]
        if largest_message is not None:
            self._options.append(("grpc.max_receive_message_length", largest_message))
        self._endpoints = endpoints
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Binds and serves; OSError when the address cannot be had."""
        server = self._made()
        try:
            self.port = self._bound(server)
        except RuntimeError as error:
            # a server that was made has to be started before it can be ended
            await server.start()
            await server.stop(None)
            fault = f"cannot listen on {self._address}: the port is taken, or it is not this machine's"
            raise OSError(fault) from error
        self._server = server
        await self.serving(ready=False)
        await server.start()

    async def serving(self, *, ready: bool) -> None:
        """What `grpc.health.v1` says."""
        states = health_pb2.HealthCheckResponse
        for name in ("", *self._endpoints):
            await self._health.set(name, states.SERVING if ready else states.NOT_SERVING)

    async def stop(self, grace_s: float) -> None:
        """Takes no more calls, and ends those that are open after so long."""
        await self._health.enter_graceful_shutdown()
        if self._server is not None:
            await self._server.stop(grace_s)

    def _made(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=self._options)
        server.add_generic_rpc_handlers(tuple(self._endpoints.values()))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((*self._endpoints, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        return server

    def _bound(self, server: grpc.aio.Server) -> int:
        if self._credentials is None:
            return server.add_insecure_port(self._address)
        return server.add_secure_port(self._address, self._credentials)
