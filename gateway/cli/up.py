"""`avatarchatbot up`: the services as processes, the gateway and its page in this one."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console

from comps.core.app import readiness_of
from comps.core.logs import configure_logging
from comps.core.serve import running
from gateway.cli.failure import FailureError, UsageFailureError, run
from gateway.cli.knowledge_folder import check_knowledge_folder
from gateway.cli.running import find_running, noted
from gateway.settings import GatewaySettings
from megaservice.supervisor.plan import Plan, PlanError, make_plan
from megaservice.supervisor.ports import check_ports
from megaservice.supervisor.supervisor import Supervisor
from megaservice.tasks import end_tasks

SAY_EVERY_S = 20.0
_EVERY_INTERFACE = ("0.0.0.0", "[::]")
PROFILES: dict[str, dict[str, str]] = {
    "embedded": {},
    "cpu": {"asr": "whisper", "llm": "transformers", "tts": "transformers"},
}
"""Profile to the engine of each stage that is not the embedded one."""
CONTAINERS = ("xeon", "gaudi", "cuda", "rocm")
"""Profiles that are files of compose/."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """Where to listen and what to start. `urls` maps a stage to the URL that replaces it, or to nothing."""

    host: str = "127.0.0.1"
    port: int = 3009
    urls: Mapping[str, str] = field(default_factory=dict)
    base_port: int = 0
    profile: str = "embedded"


def run_up(options: UpOptions) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    run(lambda: _up(options))


async def _up(options: UpOptions) -> None:
    check_knowledge_folder()
    stop = _stop_event()
    _log_to_terminal()
    try:
        plan = await make_plan(options.urls, options.base_port, _environment(options.profile))
        await _require_ports(options, plan)
        supervisor = Supervisor(plan.services)
        await supervisor.start()
    except PlanError as error:
        raise FailureError(str(error)) from error
    try:
        await _serve(options, plan, supervisor, stop)
    except PlanError as error:
        raise FailureError(str(error)) from error
    finally:
        await supervisor.stop()


async def _require_ports(options: UpOptions, plan: Plan) -> None:
    """Raise PlanError when a port is taken; the sentence begins with our own page where that is what took it."""
    services = ((spec.name, spec.host, spec.port) for spec in plan.services)
    wanted = [("gateway", options.host, options.port), *services]
    try:
        check_ports(wanted)
    except PlanError as error:
        ports = {port for _, _, port in wanted}
        for gateway in await asyncio.to_thread(find_running):
            if ports & {port for _, port in gateway.addresses.values()}:
                beside = "open that, or give another one ports of its own"
                raise PlanError(f"it already runs at {gateway.url}: {beside}\n{error}") from error
        raise


async def _serve(options: UpOptions, plan: Plan, supervisor: Supervisor, stop: asyncio.Event) -> None:
    # imported while the services already load in their processes
    from gateway.app import create_app

    urls = {f"{stage}_url": url for stage, url in plan.urls.items()}
    settings = GatewaySettings(host=options.host, port=options.port, **urls)  # type: ignore[arg-type]
    app = create_app(settings)
    readiness = readiness_of(app)
    async with running(app, options.host, options.port) as url:
        await readiness.settled()
        if readiness.state == "failed":
            raise PlanError(f"gateway cannot start: {readiness.reason}")
        if readiness.state == "ready":
            readiness.become("loading", "the services are still starting")
        waiting = asyncio.create_task(wait_loaded(supervisor))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not waiting.done():
            waiting.cancel()
            return
        waiting.result()
        with noted(url, plan.urls):
            if readiness.state == "loading":
                readiness.become("ready")
            _announce(url, plan)
            await stop.wait()
        readiness.become("stopping", "the service is shutting down")
        Console(stderr=True).print("stopping", style="dim")


async def wait_loaded(supervisor: Supervisor) -> None:
    """Wait until every service is ready, and say every `SAY_EVERY_S` which are not; raises PlanError when one cannot be."""
    waiting = asyncio.create_task(supervisor.wait_ready())
    try:
        while not (await asyncio.wait({waiting}, timeout=SAY_EVERY_S))[0]:
            late = ", ".join(name for name, status in supervisor.status.items() if status.state != "ready")
            Console(stderr=True).print(f"still loading: {late}", style="dim")
        waiting.result()
    finally:
        await end_tasks([waiting])


def _announce(url: str, plan: Plan) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    started = {spec.name for spec in plan.services}
    for stage, where in plan.urls.items():
        console.print(f"  {stage:<10} {where}{'' if stage in started else '  (not started here)'}", style="dim")
    for line in page_addresses(url):
        console.print(line)


def page_addresses(url: str) -> tuple[str, ...]:
    """Where to open the page; `url` is what the gateway listens on, which may be every interface."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    if host not in _EVERY_INTERFACE:
        return (f"ready: open [bold]{url}[/]  (Ctrl-C stops everything)",)
    return (
        f"ready: open [bold]http://localhost:{port}[/]  (Ctrl-C stops everything)",
        f"  from other devices: http://{socket.gethostname()}:{port} or this machine's address; there is no login",
    )


def _environment(profile: str) -> dict[str, dict[str, str]]:
    """Variables of each service: the profile's engine, and plain log lines."""
    if profile not in PROFILES:
        raise UsageFailureError(_no_profile(profile))
    logs = {"AVATAR_LOG_FORMAT": "text", "AVATAR_LOG_LEVEL": os.environ.get("AVATAR_LOG_LEVEL", "warning")}
    engines = PROFILES[profile]
    return {
        stage: {**logs, **({f"AVATAR_{stage.upper()}_ENGINE": engines[stage]} if stage in engines else {})}
        for stage in ("asr", "llm", "tts", "animation")
    }


def _no_profile(profile: str) -> str:
    here = ", ".join(PROFILES)
    if profile in CONTAINERS:
        files = f"-f compose/compose.yaml -f compose/{profile}.yaml"
        return f"'{profile}' runs in containers: docker compose {files} up --build; here there are: {here}"
    return f"there is no profile '{profile}'; there are: {here}, and in containers {', '.join(CONTAINERS)}"


def _log_to_terminal() -> None:
    """One log for all: the services' lines as they are, each with its name; our own below warning are left out."""
    configure_logging("warning", "text")
    lines = logging.getLogger("avatar.services")
    lines.setLevel(logging.INFO)
    lines.propagate = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    lines.handlers[:] = [handler]


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
