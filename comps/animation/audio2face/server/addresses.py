"""Where the service listens: the settings over the deployment file over this machine alone."""

from __future__ import annotations

from dataclasses import dataclass

from comps.animation.audio2face.configuration.deployment import DeploymentConfig
from comps.animation.audio2face.server.settings import Audio2FaceServiceSettings


@dataclass(frozen=True, slots=True)
class Addresses:
    """HOST:PORT of every endpoint; empty for one that is not offered. `sink` is where legacy animation is sent."""

    grpc: str
    authoring: str
    legacy: str
    sink: str
    prometheus: str


def host_of(settings: Audio2FaceServiceSettings, deployment: DeploymentConfig) -> str:
    """A host that was set holds, else that of a deployment file, else 127.0.0.1."""
    if settings.deployment_config is None or "host" in settings.model_fields_set:
        return settings.host
    return _host(deployment.endpoints.bidirectional.server.url)


def addresses_of(settings: Audio2FaceServiceSettings, deployment: DeploymentConfig) -> Addresses:
    """The addresses of a service."""
    host, ends, telemetry = host_of(settings, deployment), deployment.endpoints, deployment.telemetry
    port = _port(ends.bidirectional.server.url) if settings.grpc_port is None else settings.grpc_port
    measured = telemetry.metrics_enabled and telemetry.metrics_exporter == "prometheus"
    return Addresses(
        grpc=f"{host}:{port}",
        authoring=f"{host}:{settings.authoring_port}" if settings.authoring else "",
        legacy=f"{host}:{_port(ends.unidirectional.server.url)}" if settings.legacy else "",
        sink=_reachable(ends.unidirectional.client.url),
        prometheus=f"{host}:{_port(telemetry.prometheus_endpoint)}" if measured else "",
    )


def _reachable(address: str) -> str:
    """An address that can be called: 0.0.0.0 is this machine."""
    return f"127.0.0.1:{_port(address)}" if _host(address) == "0.0.0.0" else address


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
