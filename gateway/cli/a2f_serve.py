"""`avatarchatbot a2f serve`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import ValidationError

from comps.core.engine import missing_extra
from comps.core.serve import BlockingServer
from comps.core.web.problems import sentence_of
from gateway.cli.failure import FailureError, UsageFailureError, run_plain
from megaservice.supervisor.plan import PlanError
from megaservice.supervisor.ports import check_ports

EXTRA = "audio2face"
_PORTS = {"gRPC": "--port", "authoring": "--authoring-port", "HTTP": "--http-port"}
_SWITCH_S = 0.001
"""The event loop is not kept waiting by a thread that computes for longer than this (Python's own 0.005 s is a sixth of a frame)."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where the configuration is: a folder, single files that go over those in it, or nothing for the defaults."""

    folder: Path | None = None
    stylization: Path | None = None
    deployment: Path | None = None
    advanced: Path | None = None

    def settings(self) -> dict[str, Path]:
        """The settings of the files that there are; UsageFailureError for a folder without any, or with two characters."""
        found = {
            name: given or self._in_folder(f"*{name}_config.y*ml")
            for name, given in (
                ("stylization", self.stylization),
                ("deployment", self.deployment),
                ("advanced", self.advanced),
            )
        }
        if self.folder is not None and not any(found.values()):
            raise UsageFailureError(
                f"{self.folder} has no stylization_config, deployment_config or advanced_config file"
            )
        return {f"{name}_config": path for name, path in found.items() if path is not None}

    def _in_folder(self, pattern: str) -> Path | None:
        if self.folder is None:
            return None
        if not self.folder.is_dir():
            raise UsageFailureError(f"{self.folder} is not a folder")
        matches = sorted(self.folder.glob(pattern))
        if len(matches) > 1:
            names = ", ".join(path.name for path in matches)
            raise UsageFailureError(
                f"{self.folder} has several files for one thing: {names}; name one by its own option"
            )
        return matches[0] if matches else None


def serve_audio2face(files: Files, chosen: Mapping[str, Any]) -> None:
    """Serve until Ctrl-C or SIGTERM; `chosen` are settings by name."""
    run_plain(lambda: _serve(files, chosen))


def _serve(files: Files, chosen: Mapping[str, Any]) -> None:
    try:
        from comps.animation.audio2face.server.app import create_app
        from comps.animation.audio2face.server.settings import Audio2FaceServiceSettings
    except ImportError as error:
        raise missing_extra("`avatarchatbot a2f serve`", EXTRA, error) from error
    try:
        settings = Audio2FaceServiceSettings(**{"log_format": "text", **files.settings(), **chosen})
    except ValidationError as error:
        raise UsageFailureError(sentence_of(error.errors(include_url=False))) from error
    app = create_app(settings)
    _check_ports(app)
    server = BlockingServer(app, app.state.settings)
    failures: list[str] = []

    def give_up(reason: str) -> None:
        failures.append(reason)
        server.stop()

    app.state.give_up = give_up
    sys.setswitchinterval(_SWITCH_S)
    with suppress(KeyboardInterrupt):
        _run(server)
    if failures:
        raise FailureError(failures[0])


def _check_ports(app: FastAPI) -> None:
    """Refuse ports that cannot be had before models load; raises FailureError that says whose they are."""
    settings, addresses = app.state.settings, app.state.addresses
    given = {"gRPC": addresses.grpc, "authoring": addresses.authoring, "legacy": addresses.legacy}
    parts = [(name, *address.rpartition(":")[::2]) for name, address in given.items() if address]
    wanted = [(name, host.strip("[]"), int(port)) for name, host, port in parts]
    try:
        check_ports([*wanted, ("HTTP", settings.host, settings.port)], _choose)
    except PlanError as error:
        raise FailureError(str(error)) from error


def _choose(endpoint: str) -> str:
    option = _PORTS.get(endpoint)
    return f"choose another with {option}" if option else "choose another in the deployment file"


def _run(server: BlockingServer) -> None:
    try:
        server.run()
    except OSError as error:
        raise FailureError(str(error)) from error
