from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from comps.animation.audio2face.configuration.deployment import DeploymentConfig
from comps.animation.audio2face.server.addresses import addresses_of, host_of
from comps.animation.audio2face.server.settings import Audio2FaceServiceSettings as Settings

FILE = Path("deployment_config.yaml")
TELEMETRY = {"telemetry": {"metrics_enabled": True}}


def deployment(**changed: Any) -> DeploymentConfig:
    return DeploymentConfig.model_validate(
        {"endpoints": {"bidirectional": {"server": {"url": "10.0.0.5:5200"}}}, **changed}
    )


@pytest.mark.parametrize(
    ("settings", "grpc"),
    [
        (Settings(), "127.0.0.1:5200"),
        (Settings(deployment_config=FILE), "10.0.0.5:5200"),
        (Settings(deployment_config=FILE, host="127.0.0.2"), "127.0.0.2:5200"),
        (Settings(deployment_config=FILE, grpc_port=1), "10.0.0.5:1"),
        (Settings(host="0.0.0.0", grpc_port=0), "0.0.0.0:0"),
    ],
)
def test_settings_go_over_the_file_and_without_either_it_is_this_machine(settings: Settings, grpc: str) -> None:
    assert addresses_of(settings, deployment()).grpc == grpc
    assert host_of(settings, deployment()) == grpc.rpartition(":")[0]


def test_endpoints_that_are_not_offered_have_no_address() -> None:
    usual = addresses_of(Settings(), DeploymentConfig())
    assert (usual.grpc, usual.authoring) == ("127.0.0.1:52000", "127.0.0.1:50051")
    assert (usual.legacy, usual.prometheus) == ("", "")
    bare = addresses_of(Settings(authoring=False), DeploymentConfig())
    assert bare.authoring == ""
    full = addresses_of(Settings(legacy=True), deployment(**TELEMETRY))
    assert (full.legacy, full.sink, full.prometheus) == ("127.0.0.1:50000", "127.0.0.1:51000", "127.0.0.1:9464")


def test_metrics_that_go_elsewhere_are_not_served_here() -> None:
    otlp = {"telemetry": {"metrics_enabled": True, "metrics_exporter": "otlp"}}
    assert addresses_of(Settings(), deployment(**otlp)).prometheus == ""
