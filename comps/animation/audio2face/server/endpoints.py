"""All gRPC endpoints of a service, started and stopped together."""

from __future__ import annotations

from contextlib import AsyncExitStack

import grpc

from comps.animation.audio2face.server import authoring, controller, export_config, legacy
from comps.animation.audio2face.server.addresses import Addresses
from comps.animation.audio2face.server.credentials import server_credentials
from comps.animation.audio2face.server.listener import Listener
from comps.animation.audio2face.server.service import Service


class Endpoints:
    """The listeners by name: ``grpc``, and ``authoring`` and ``legacy`` where they are offered.

    Raises:
        ConfigurationError: a certificate cannot be read.
    """

    def __init__(self, service: Service, addresses: Addresses) -> None:
        self._service = service
        secured = server_credentials(service.layers.configuration.deployment.endpoints.bidirectional.server)
        streams = service.slots.total
        offered = {
            controller.SERVICE: controller.handler(service),
            export_config.SERVICE: export_config.handler(service),
        }
        self.listeners = {"grpc": Listener(addresses.grpc, offered, credentials=secured, streams=streams)}
        if addresses.authoring:
            self.listeners["authoring"] = Listener(
                addresses.authoring,
                {authoring.SERVICE: authoring.handler(service)},
                credentials=secured,
                largest_message=authoring.largest_message(service),
            )
        self._sink = grpc.aio.insecure_channel(addresses.sink) if addresses.legacy else None
        if self._sink is not None:
            offered = {legacy.SERVICE: legacy.handler(service, self._sink)}
            self.listeners["legacy"] = Listener(addresses.legacy, offered, credentials=secured, streams=streams)

    async def start(self) -> None:
        """Listens; health is NOT_SERVING. OSError when an address cannot be had, and then nothing listens."""
        async with AsyncExitStack() as started:
            for listener in self.listeners.values():
                await listener.start()
                started.push_async_callback(listener.stop, 0.0)
            started.pop_all()

    async def ready(self) -> None:
        """The models have loaded: health is SERVING."""
        for listener in self.listeners.values():
            await listener.serving(ready=True)

    async def stop(self, grace_s: float) -> None:
        """Ends open streams with UNAVAILABLE, and what is left after `grace_s`."""
        self._service.stopping.set()
        for listener in self.listeners.values():
            await listener.stop(grace_s)
        if self._sink is not None:
            await self._sink.close()
