"""Waiting for the services that `avatarchatbot up` has started."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from comps.core.serve import running
from gateway.app import create_app
from gateway.cli import up
from gateway.cli.main import app
from gateway.cli.running import noted
from gateway.cli.up import wait_loaded
from gateway.settings import GatewaySettings
from megaservice.supervisor.plan import PlanError
from megaservice.supervisor.supervisor import Supervisor, SupervisorOptions
from tests.gateway.conftest import free_ports
from tests.gateway.test_cli import command, runner
from tests.megaservice.test_supervisor import tiny

QUICK = SupervisorOptions(attempts=1, stop_grace_s=5.0)


async def test_a_service_may_load_for_long_and_is_named_meanwhile(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up, "SAY_EVERY_S", 0.05)
    supervisor = Supervisor([tiny("asr", "hangs"), tiny("llm")], lambda *_: None, QUICK)
    await supervisor.start()
    waiting = asyncio.create_task(wait_loaded(supervisor))
    try:
        while "still loading: asr\n" not in capsys.readouterr().err:
            assert not waiting.done()
            await asyncio.sleep(0.02)
    finally:
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        await supervisor.stop()


async def test_one_that_cannot_load_ends_the_wait() -> None:
    supervisor = Supervisor([tiny("asr", "broken"), tiny("llm", "hangs")], lambda *_: None, QUICK)
    await supervisor.start()
    try:
        with pytest.raises(PlanError, match="the model is missing"):
            await wait_loaded(supervisor)
    finally:
        await supervisor.stop()


async def test_it_ends_when_all_are_ready() -> None:
    supervisor = Supervisor([tiny("asr"), tiny("llm")], lambda *_: None, QUICK)
    await supervisor.start()
    try:
        await wait_loaded(supervisor)
        assert {status.state for status in supervisor.status.values()} == {"ready"}
    finally:
        await supervisor.stop()


async def test_who_starts_it_twice_is_told_where_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    settings = GatewaySettings(outputs_dir=tmp_path / "out", asr_url="", llm_url="", tts_url="", animation_url="")
    async with running(create_app(settings)) as url:
        port = url.rpartition(":")[2]
        with noted(url, {}):
            result = await asyncio.to_thread(command, tmp_path, "up", "--port", port, "--base-port", free_ports(4))
    assert result.returncode == 1
    assert f"it already runs at {url}: open that" in result.stderr
    assert f"gateway needs port {port}" in result.stderr


@pytest.mark.parametrize(
    ("profile", "sentence"),
    [
        ("gaudi", "'gaudi' runs in containers: docker compose -f compose/compose.yaml -f compose/gaudi.yaml up"),
        ("tpu", "there are: embedded, cpu, and in containers xeon, gaudi, cuda, rocm"),
    ],
)
def test_profiles_of_containers_are_named(profile: str, sentence: str) -> None:
    result = runner.invoke(app, ["up", "--profile", profile])
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
