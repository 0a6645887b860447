"""One program at a time, however many ask for it at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from comps.animation.engines.liveavatar.live.supervisor import Worker
from comps.animation.engines.liveavatar.look import Look


async def test_two_who_start_it_at_once_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    running: set[object] = set()

    async def keep(self: Worker, look: Look) -> None:
        mark = object()
        running.add(mark)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            running.discard(mark)

    monkeypatch.setattr(Worker, "_keep", keep)
    nothing = cast("Any", None)
    worker = Worker(nothing, nothing, nothing, ())
    looks = [Look(Path("a.png"), (number, 1), "a prompt", 1, "704*384") for number in range(3)]
    await worker.prepare(looks[0])
    await asyncio.sleep(0)
    await asyncio.gather(worker.prepare(looks[1]), worker.prepare(looks[2]), worker.restart(), worker.prepare(looks[1]))
    await asyncio.sleep(0)
    assert len(running) == 1
    assert worker.look == looks[1]
    await worker.stop()
    assert not running
