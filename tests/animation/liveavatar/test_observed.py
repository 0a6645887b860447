from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from comps.animation.engines.liveavatar.launch import observed
from comps.animation.engines.liveavatar.launch.frame_size import largest_size
from comps.animation.engines.liveavatar.launch.gpus import Gpu
from comps.animation.engines.liveavatar.launch.ladder import settle
from comps.animation.engines.liveavatar.launch.memory import need
from comps.animation.engines.liveavatar.launch.observed import Observed, Watch, watching
from comps.animation.engines.liveavatar.live.supervisor import Worker
from tests.animation.liveavatar.conftest import CARD, Machine, MakeSettings, eventually, script
from tests.animation.liveavatar.test_engine_live import drawn, loaded
from tests.animation.liveavatar.test_memory import ONE, card


def test_a_peak_becomes_the_margin(tmp_path: Path) -> None:
    kept = Observed(tmp_path / "new")
    assert kept.margin_gib(ONE) is None
    run = need(ONE, largest_size(ONE.size)).run
    kept.keep(ONE, run + 1.5)
    assert Observed(tmp_path / "new").margin_gib(ONE) == pytest.approx(1.5, abs=0.01)
    assert kept.margin_gib(replace(ONE, fp8=True)) is None
    kept.keep(ONE, run + 1.0)
    assert kept.margin_gib(ONE) == pytest.approx(1.5, abs=0.01)
    kept.keep(replace(ONE, fp8=True), 1.0)
    assert kept.margin_gib(replace(ONE, fp8=True)) == 0


@pytest.mark.parametrize("content", ["", "[]", '{"a": "b"}', "{"])
def test_a_damaged_file_is_no_peak(tmp_path: Path, content: str) -> None:
    (tmp_path / "peaks.json").write_text(content)
    kept = Observed(tmp_path)
    assert kept.margin_gib(ONE) is None
    kept.keep(ONE, 100)
    assert kept.margin_gib(ONE) is not None


def test_a_disk_that_takes_nothing_is_not_minded(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    Observed(tmp_path / "file").keep(ONE, 100)
    assert Observed(tmp_path / "file").margin_gib(ONE) is None


def test_what_was_seen_decides_the_next_check(tmp_path: Path) -> None:
    """73 GiB are free: with the guessed margin the plan does not fit, with the seen one it does."""
    kept = Observed(tmp_path)
    assert settle(ONE, [card(73)], "picture")[0].fp8
    kept.keep(ONE, need(ONE, largest_size(ONE.size)).run + 0.5)
    assert settle(ONE, [card(73)], "picture", kept.margin_gib)[0] == ONE


def test_the_fullest_card_is_the_peak() -> None:
    watch = Watch()
    before = [Gpu(0, "", 80, 79), Gpu(1, "", 80, 70)]
    watch.note(before, [Gpu(0, "", 80, 50), Gpu(1, "", 80, 30)])
    watch.note(before, [Gpu(0, "", 80, 60), Gpu(1, "", 80, 60)])
    assert watch.peak_gib == 40


async def test_cards_that_cannot_be_watched_do_not_disturb() -> None:
    async with watching("/nowhere/nvidia-smi", (0,)) as watch:
        pass
    assert watch.peak_gib == 0


async def test_a_live_run_leaves_its_peak(
    machine: Machine, make_settings: MakeSettings, avatar: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(observed, "PERIOD_S", 0.05)
    lines = [f"echo '{index}, " + CARD.format(free="$((81000 - 20480 * N))") + "'" for index in range(5)]
    quoted = "\n".join(line.replace("'", chr(34)) for line in lines)
    script(machine.smi, f"N=$(test -s '{machine.pids}' && echo 1 || echo 0)\n{quoted}")
    async with loaded(make_settings()) as engine:
        await drawn(engine, avatar, 1.0)  # type: ignore[arg-type]
        assert engine._workers is not None
        worker: Worker = engine._workers.members[0]
        await eventually(lambda: worker.state == "ready")
    (size,) = json.loads((tmp_path / "peaks" / "peaks.json").read_text()).values()
    assert size == 20
