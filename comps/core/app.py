"""The application factory: what makes a FastAPI app one of our services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from comps.core.error_shape import error_body, error_from_body, error_from_response
from comps.core.settings import ServiceSettings
from comps.core.statistics import LatencyWindow, Statistics
from comps.core.web.docs_page import install_docs
from comps.core.web.handlers import install_handlers
from comps.core.web.limits import AdmissionMiddleware, BodyLimitMiddleware, LifetimeMiddleware
from comps.core.web.metrics import Metrics
from comps.core.web.observe import ObserveMiddleware
from comps.core.web.origin import OriginMiddleware
from comps.core.web.probes import Checks, ServiceInfo, Vitals, probe_routes
from comps.core.web.readiness import Readiness, Startup, loading

__all__ = [
    "Checks",
    "Metrics",
    "ServiceInfo",
    "Startup",
    "create_service_app",
    "error_body",
    "error_from_body",
    "error_from_response",
    "metrics_of",
    "readiness_of",
    "statistics_of",
]

_SHOWN_TO_PAGES = ("X-Request-ID", "X-Video-Id", "X-Video-Size", "Link", "Location", "Retry-After", "Content-Range")
"""Headers that pages elsewhere may read besides those every page may."""


def create_service_app(
    info: ServiceInfo,
    settings: ServiceSettings,
    *,
    startup: Startup | None = None,
    checks: Checks | None = None,
    statistics: Statistics | None = None,
    always: tuple[str, ...] = (),
) -> FastAPI:
    """An app with probes, metrics, limits and the one error shape; the service adds its own routes.

    Args:
        info: what the service says about itself.
        settings: limits and timeouts.
        startup: entered in the background when the app starts and left when it stops. Until it has
            entered, `/livez` and `/health` answer 200, `/readyz` and the service's own routes 503. If it
            raises, the app stays up and `/readyz` says why.
        statistics: shown at `/v1/statistics`, and the requests noted in the window called `info.name`
            when it has one; by default the app's own, with a window ``opea_service@<info.name>``.
        always: paths (``/``) and first parts of paths (``/page/``) that are served also while the service loads.
        checks: states of engines and upstreams for `/v1/health_check`, name to ``ok`` or a sentence.
    """
    readiness, metrics = Readiness(), Metrics()
    latencies = LatencyWindow()
    if statistics is None:
        statistics = Statistics()
        latencies = statistics.register(f"opea_service@{info.name}")
    elif info.name in statistics:
        latencies = statistics[info.name]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with loading(app, readiness, startup):
            yield

    app = FastAPI(
        title=info.title,
        description=info.description,
        version=info.version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.info, app.state.settings = info, settings
    app.state.readiness, app.state.statistics, app.state.metrics = readiness, statistics, metrics
    app.include_router(probe_routes(Vitals(info, readiness, statistics, metrics, checks)))
    install_docs(app)
    install_handlers(app, info.name)
    _add_middleware(app, info.name, settings, latencies, always)
    return app


def _add_middleware(
    app: FastAPI, service: str, settings: ServiceSettings, latencies: LatencyWindow, always: tuple[str, ...]
) -> None:
    """Innermost first: each `add_middleware` wraps the ones before it."""
    app.add_middleware(LifetimeMiddleware, service=service)
    app.add_middleware(BodyLimitMiddleware, service=service, max_bytes=settings.max_body_bytes)
    app.add_middleware(
        AdmissionMiddleware, readiness=readiness_of(app), max_concurrent=settings.max_concurrent, always=always
    )
    app.add_middleware(OriginMiddleware, allowed=settings.origins)
    app.add_middleware(
        ObserveMiddleware,
        service=service,
        metrics=metrics_of(app),
        latencies=latencies,
        timeout_s=settings.request_timeout_s,
    )
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "DELETE"),
            allow_headers=("*",),
            expose_headers=_SHOWN_TO_PAGES,
        )


def metrics_of(app: FastAPI) -> Metrics:
    """The Prometheus metrics of an app made by `create_service_app`."""
    metrics: Metrics = app.state.metrics
    return metrics


def statistics_of(app: FastAPI) -> Statistics:
    """The latency statistics of an app made by `create_service_app`."""
    statistics: Statistics = app.state.statistics
    return statistics


def readiness_of(app: FastAPI) -> Readiness:
    """The readiness of an app made by `create_service_app`."""
    readiness: Readiness = app.state.readiness
    return readiness
