"""Keeps the services of one machine running until told to stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import httpx

from comps.core.client import create_client
from comps.core.serve import MISCONFIGURED
from megaservice.supervisor.child import Child, LogSink
from megaservice.supervisor.plan import PlanError, ServiceSpec
from megaservice.supervisor.ports import check_ports
from megaservice.tasks import end_tasks

State = Literal["stopped", "starting", "ready", "restarting", "failed"]

logger = logging.getLogger("avatar.services")


@dataclass(frozen=True, slots=True)
class SupervisorOptions:
    """Times in seconds.

    A service that ends by itself is started again after `backoff_s`, doubled each time up to
    `longest_backoff_s`; after `attempts` starts in a row that were not followed by `steady_s` of
    readiness it is given up.
    """

    attempts: int = 5
    backoff_s: float = 0.5
    longest_backoff_s: float = 15.0
    steady_s: float = 30.0
    stop_grace_s: float = 10.0


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """State of one service; `reason` says why it failed or is being restarted."""

    state: State
    url: str
    pid: int | None = None
    restarts: int = 0
    reason: str = ""


class Supervisor:
    """Starts `services` side by side, restarts those that end, and ends them all.

    Args:
        services: what to start.
        log: gets every line of output with the name of its service; by default the logger ``avatar.services``.
        options: patience.
    """

    def __init__(
        self, services: Sequence[ServiceSpec], log: LogSink | None = None, options: SupervisorOptions | None = None
    ) -> None:
        self._services = tuple(services)
        self._log = log or _log_line
        self._options = options or SupervisorOptions()
        self._status = {spec.name: ServiceStatus("stopped", spec.url) for spec in services}
        self._children: dict[str, Child] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Condition()
        self._client: httpx.AsyncClient | None = None

    @property
    def status(self) -> dict[str, ServiceStatus]:
        """Every service by name, as it is now."""
        return dict(self._status)

    async def start(self) -> None:
        """Start every service and return at once; raises PlanError when a port is taken."""
        check_ports((spec.name, spec.host, spec.port) for spec in self._services)
        self._client = create_client()
        self._tasks = [asyncio.create_task(self._keep(spec), name=f"service:{spec.name}") for spec in self._services]

    async def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until every service is ready; with None for as long as they load, which may fetch gigabytes.

        Raises:
            PlanError: one was given up, or not ready in time; the message has the end of its output.
        """
        try:
            await asyncio.wait_for(self._until_settled(), timeout_s)
        except asyncio.TimeoutError as error:
            late = ", ".join(name for name, status in self._status.items() if status.state != "ready")
            raise PlanError(f"not ready after {timeout_s:g} s: {late}") from error
        for status in self._status.values():
            if status.state == "failed":
                raise PlanError(status.reason)

    async def stop(self) -> None:
        """End every service, together, and wait until they have; safe to call twice."""
        await end_tasks(self._tasks)
        self._tasks = []
        if self._client is not None:
            await self._client.aclose()
        for spec in self._services:
            await self._set(spec, "stopped")

    async def _until_settled(self) -> None:
        async with self._changed:
            await self._changed.wait_for(self._settled)

    def _settled(self) -> bool:
        states = [status.state for status in self._status.values()]
        return "failed" in states or all(state == "ready" for state in states)

    async def _keep(self, spec: ServiceSpec) -> None:
        """Run one service again and again, until it is given up or this task is cancelled."""
        in_a_row = 0
        while True:
            in_a_row += 1
            try:
                ready_for, why = await self._run_once(spec)
            except PlanError as error:
                await self._set(spec, "failed", str(error))
                return
            if ready_for > self._options.steady_s:
                in_a_row = 1
            if in_a_row >= self._options.attempts:
                await self._set(spec, "failed", f"{why}; given up after {in_a_row} starts")
                logger.error("%s", self._status[spec.name].reason)
                return
            await self._set(spec, "restarting", why)
            logger.warning("%s; starting it again", why)
            await asyncio.sleep(min(self._options.longest_backoff_s, self._options.backoff_s * 2 ** (in_a_row - 1)))

    async def _run_once(self, spec: ServiceSpec) -> tuple[float, str]:
        """Start and watch until the end; returns the seconds it was ready for and why it ended.

        Raises:
            PlanError: it cannot load here, and starting it again would not help.
        """
        child = await Child.start(spec, self._log)
        self._children[spec.name] = child
        ready_at: float | None = None
        try:
            await self._set(spec, "starting")
            assert self._client is not None  # made by `start`
            await child.wait_ready(self._client)
            if child.refusal:
                raise PlanError(f"{spec.name} cannot start: {child.refusal}")
            if child.ready:
                ready_at = time.monotonic()
                await self._set(spec, "ready")
            code = await child.wait()
        finally:
            await child.end(self._options.stop_grace_s)
            del self._children[spec.name]
        if code == MISCONFIGURED:
            raise PlanError(f"{spec.name} cannot start: {_last_words(list(child.last_lines))}")
        ready_for = 0.0 if ready_at is None else time.monotonic() - ready_at
        return ready_for, _ending(spec.name, code, list(child.last_lines))

    async def _set(self, spec: ServiceSpec, state: State, reason: str = "") -> None:
        child, before = self._children.get(spec.name), self._status[spec.name]
        restarts = before.restarts + (state == "restarting")
        pid = child.process.pid if child and state in ("starting", "ready") else None
        async with self._changed:
            self._status[spec.name] = ServiceStatus(state, spec.url, pid, restarts, reason)
            self._changed.notify_all()


def _ending(name: str, code: int, lines: list[str]) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    said = _last_words(lines)
    return f"{name} {how}" + (f": {said}" if said else "")


def _last_words(lines: Sequence[str]) -> str:
    """The end of a service's output, shortened; empty where it said nothing."""
    return next((line for line in reversed(lines) if line.strip()), "")[:500]


def _log_line(service: str, line: str) -> None:
    logger.info("%s | %s", service, line)
