"""Routes every service has: health, readiness, statistics and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from comps.core.error_shape import error_body
from comps.core.errors import NotReadyError
from comps.core.statistics import Statistics
from comps.core.web.metrics import CONTENT_TYPE, Metrics
from comps.core.web.readiness import Readiness

Checks = Callable[[], Awaitable[dict[str, str]]]

PROBE_PATHS = frozenset(
    {"/health", "/v1/health", "/livez", "/readyz", "/ready", "/v1/health_check", "/v1/statistics", "/metrics"}
    | {f"/v1/health/{probe}" for probe in ("live", "ready", "startup")}
)
"""Paths that answer whatever the state of the service; those of `/v1/health/` are Audio2Face's own."""
CHECK_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """What a service says about itself. `name` is the short one used in errors, metrics and logs (``asr``)."""

    name: str
    title: str
    description: str
    version: str


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the probes report from."""

    info: ServiceInfo
    readiness: Readiness
    statistics: Statistics
    metrics: Metrics
    checks: Checks | None


def probe_routes(vitals: Vitals) -> APIRouter:
    """The routes of `PROBE_PATHS`."""
    router = APIRouter(tags=["operations"])

    async def alive() -> Response:
        return Response()

    async def ready() -> JSONResponse:
        return _readyz(vitals)

    async def health_check() -> dict[str, Any]:
        return await _health_check(vitals)

    async def statistics() -> dict[str, dict[str, float | None]]:
        return vitals.statistics.summary()

    async def metrics() -> Response:
        return Response(vitals.metrics.exposition(), media_type=CONTENT_TYPE)

    for path in ("/health", "/v1/health", "/livez"):
        router.add_api_route(path, alive, summary="The process answers", operation_id=f"alive{path.replace('/', '_')}")
    for path in ("/readyz", "/ready"):
        router.add_api_route(path, ready, summary="Loaded and able to work", operation_id=path[1:])
    router.add_api_route("/v1/health_check", health_check, summary="State of the engine and of the upstreams")
    router.add_api_route("/v1/statistics", statistics, summary="Latencies of recent requests, seconds")
    router.add_api_route("/metrics", metrics, summary="Prometheus metrics")
    return router


def _readyz(vitals: Vitals) -> JSONResponse:
    if vitals.readiness.state == "ready":
        return JSONResponse({"status": "ready"})
    error = NotReadyError(vitals.readiness.reason)
    body = {"status": vitals.readiness.state, **error_body(error, vitals.info.name)}
    return JSONResponse(body, status_code=error.status, headers={"Retry-After": "1"})


async def _health_check(vitals: Vitals) -> dict[str, Any]:
    info, readiness = vitals.info, vitals.readiness
    nodes = await _nodes(vitals.checks)
    working = readiness.state == "ready" and all(state == "ok" for state in nodes.values())
    return {
        "Service Title": info.title,
        "Version": info.version,
        "Service Description": info.description,
        "status": "ok" if working else "degraded",
        "state": readiness.state,
        "reason": readiness.reason,
        "nodes": nodes,
    }


async def _nodes(checks: Checks | None) -> dict[str, str]:
    if checks is None:
        return {}
    try:
        return await asyncio.wait_for(checks(), CHECK_TIMEOUT_S)
    except asyncio.TimeoutError:
        return {"checks": f"no answer within {CHECK_TIMEOUT_S:g} s"}
    except Exception as error:  # noqa: BLE001 - request boundary: a health report must not fail over what it reports
        return {"checks": f"failed ({type(error).__name__})"}
