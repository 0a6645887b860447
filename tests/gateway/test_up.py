"""Waiting for the services that `avatarchatbot up` has started."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from gateway.cli import up
from gateway.cli.up import wait_loaded
from megaservice.supervisor.plan import PlanError
from megaservice.supervisor.supervisor import Supervisor, SupervisorOptions
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
