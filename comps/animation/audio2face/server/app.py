"""The Audio2Face service as one app: HTTP for probes and metrics, and the gRPC endpoints for as long as it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from prometheus_client import start_http_server
from starlette.responses import JSONResponse

from comps.animation.audio2face.configuration import Configuration, Layers, read_configuration
from comps.animation.audio2face.inference.choice import InferenceSettings, load_inference
from comps.animation.audio2face.pipeline import Audio2Face, PipelineOptions
from comps.animation.audio2face.server.addresses import Addresses, addresses_of, host_of
from comps.animation.audio2face.server.bench import Bench, LocalBench
from comps.animation.audio2face.server.computing import settle
from comps.animation.audio2face.server.endpoints import Endpoints
from comps.animation.audio2face.server.metrics import StreamMetrics
from comps.animation.audio2face.server.process_bench import ProcessBench
from comps.animation.audio2face.server.service import Service
from comps.animation.audio2face.server.settings import Audio2FaceServiceSettings
from comps.animation.audio2face.server.slots import Slots
from comps.animation.audio2face.server.workers import Workers
from comps.core.app import ServiceInfo, create_service_app, metrics_of, readiness_of
from comps.core.errors import AvatarError, EngineUnavailableError

log = logging.getLogger(__name__)


def create_app(
    settings: Audio2FaceServiceSettings | None = None, configuration: Configuration | None = None
) -> FastAPI:
    """The service; its files are read now, its models load and its gRPC endpoints open when it starts.

    `app.state.give_up` is called with the reason when that fails.

    Raises:
        ConfigurationError: a file is broken.
    """
    settings = settings or Audio2FaceServiceSettings()
    found = configuration or read_configuration(
        settings.stylization_config, settings.deployment_config, settings.advanced_config
    )
    settings = settings.model_copy(update={"host": host_of(settings, found.deployment)})
    addresses = addresses_of(settings, found.deployment)

    @asynccontextmanager
    async def startup(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with _served(app, settings, found, addresses):
                yield
        except (AvatarError, OSError) as error:
            # afterwards, so that the readiness still says why
            asyncio.get_running_loop().call_soon(app.state.give_up, str(error))
            raise error if isinstance(error, AvatarError) else EngineUnavailableError(str(error)) from error

    info = ServiceInfo("audio2face", "audio2face", "Speech in, the animation of a face out", version("avatarchatbot"))
    app = create_service_app(info, settings, startup=startup)
    app.state.addresses = addresses
    app.state.give_up = lambda reason: log.error("%s", reason)
    _add_probes(app, found)
    return app


@asynccontextmanager
async def _served(
    app: FastAPI, settings: Audio2FaceServiceSettings, configuration: Configuration, addresses: Addresses
) -> AsyncIterator[None]:
    layers, total = Layers(configuration), configuration.deployment.common.stream_number
    metrics = StreamMetrics(metrics_of(app), total)
    async with AsyncExitStack() as stack:
        service = Service(layers, metrics, Slots(total, metrics.in_use))
        endpoints = Endpoints(service, addresses)
        stack.push_async_callback(endpoints.stop, settings.shutdown_grace_s)
        app.state.audio2face, app.state.endpoints = service, endpoints
        await endpoints.start()
        service.face = await asyncio.to_thread(_load, layers, settings)
        service.layers = service.face.layers  # with what the model's own files say
        service.benches = [await _bench(stack, service.face, settings) for _ in range(settings.benches or 1)]
        settle()
        await endpoints.ready()
        stack.enter_context(_prometheus(app, addresses.prometheus))
        for name, listener in endpoints.listeners.items():
            log.info("%s listens on port %d", name, listener.port)
        log.info("Running...")
        yield


async def _bench(stack: AsyncExitStack, face: Audio2Face, settings: Audio2FaceServiceSettings) -> Bench:
    """Where clips are computed; closed with the stack."""
    if not settings.benches:
        local = LocalBench(face, Workers())
        stack.push_async_callback(local.close)
        return local
    bench = ProcessBench(partial(_load, face.layers, settings))
    stack.push_async_callback(bench.close)
    await bench.start()
    return bench


def _load(layers: Layers, settings: Audio2FaceServiceSettings) -> Audio2Face:
    chosen = InferenceSettings(
        face=settings.inference,
        emotions=settings.emotion_inference,
        models_dir=settings.models_dir,
        provider=settings.provider,
    )
    face, emotions = load_inference(layers.configuration, chosen)
    layers = Layers(layers.configuration, face.defaults)
    options = PipelineOptions(fps=settings.fps, liveness=settings.liveness, carry_unmapped=settings.carry_unmapped)
    return Audio2Face(layers, face, emotions, options)


@contextmanager
def _prometheus(app: FastAPI, address: str) -> Iterator[None]:
    """Serves the metrics at the address of the original, too; nothing for an empty address."""
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    server, thread = start_http_server(int(port), host, metrics_of(app).registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _add_probes(app: FastAPI, configuration: Configuration) -> None:
    """The paths at which the original answers: readiness, liveness, start-up, and what it is."""

    async def live() -> dict[str, str]:
        return {"status": "live"}

    async def ready() -> JSONResponse:
        readiness = readiness_of(app)
        fine = readiness.state == "ready"
        return JSONResponse({"status": readiness.state, "reason": readiness.reason}, 200 if fine else 503)

    async def metadata() -> dict[str, Any]:
        style = configuration.stylization.a2f
        return {
            "version": version("avatarchatbot"),
            "character": configuration.character,
            "inference_type": style.inference_type,
            "streams": configuration.deployment.common.stream_number,
        }

    app.add_api_route("/v1/health/live", live, tags=["operations"])
    for path in ("/v1/health/ready", "/v1/health/startup"):
        app.add_api_route(path, ready, tags=["operations"])
    app.add_api_route("/v1/metadata", metadata, tags=["operations"])
