"""The coach on LiveAvatar: whether the GPUs hold it, here or as they are stated, without starting anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from comps.animation.coach.finding import Severity
from comps.animation.coach.memory import memory_report
from comps.animation.presets import PresetName
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.serve import running


@pytest.fixture(autouse=True)
def no_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No card is looked for on this machine, and no run was ever observed."""
    monkeypatch.setenv("AVATAR_ANIMATION_LIVEAVATAR_NVIDIA_SMI", str(tmp_path / "nowhere"))
    monkeypatch.setenv("AVATAR_ANIMATION_LIVEAVATAR_PEAKS_DIR", str(tmp_path / "peaks"))


def stated(gib: float, **more: Any) -> AnimationSettings:
    return AnimationSettings(liveavatar_gpu_gib=gib, **more)


def test_cards_that_hold_it_have_nothing_said_against_them() -> None:
    report = memory_report("liveavatar", stated(141), "standard")
    assert report is not None
    assert report.findings == ()
    assert (report.measured["need_gib"], report.measured["free_gib"]) == (pytest.approx(70, abs=10), 141)


@pytest.mark.parametrize(("preset", "remedies"), [("standard", ("SIZE=384*256",)), ("quick", ())])
def test_remedies_that_make_it_fit_are_named(preset: PresetName, remedies: tuple[str, ...]) -> None:
    report = memory_report("liveavatar", stated(60), preset)
    assert report is not None
    assert report.usable
    said = " ".join(finding.message for finding in report.findings)
    assert all(f"AVATAR_ANIMATION_LIVEAVATAR_{remedy}" in said for remedy in remedies)
    assert [finding.rule.code for finding in report.findings] == ["engine_memory_tight"] * bool(remedies)
    for finding in report.findings:
        assert finding.rule.severity is Severity.WARNING
        assert isinstance(finding.measured, float)
        assert not finding.rule.passes(finding.measured)


def test_cards_that_never_hold_it_are_an_error_with_the_figures() -> None:
    report = memory_report("liveavatar", stated(23.99), "standard")
    assert report is not None
    (finding,) = report.findings
    assert (finding.rule.code, report.usable, finding.rule.bounds()) == ("engine_memory", False, "at most 23.99 GiB")
    assert "even at its leanest it needs 35.9 GiB" in finding.message
    assert "AVATAR_ANIMATION_LIVEAVATAR_" in finding.message


def test_where_another_engine_draws_meanwhile_it_is_a_warning() -> None:
    report = memory_report("liveavatar", stated(23.99, liveavatar_fallback="portrait"), "standard")
    assert report is not None
    assert report.usable
    assert report.findings[0].message.endswith("portrait draws instead")


def test_five_cards_are_judged_each_by_itself() -> None:
    report = memory_report("liveavatar", stated(48, liveavatar_mode="stream"), "standard")
    assert report is not None
    assert report.codes() == {"engine_memory_tight"}
    two = memory_report("liveavatar", stated(80, liveavatar_gpus="0,1"), "standard")
    assert two is not None
    assert two.codes() == {"engine_gpus"}


@pytest.mark.parametrize(("mode", "alike"), [("offline", False), ("stream", True)])
def test_a_preset_matters_offline_alone(mode: str, alike: bool) -> None:
    presets: tuple[PresetName, ...] = ("quick", "standard", "quality")
    needs = set()
    for preset in presets:
        report = memory_report("liveavatar", stated(141, liveavatar_mode=mode), preset)
        assert report is not None
        needs.add(report.measured["need_gib"])
    assert (len(needs) == 1) is alike


def test_a_machine_without_cards_is_told_of(tmp_path: Path) -> None:
    report = memory_report("liveavatar", AnimationSettings(liveavatar_dir=tmp_path), "standard")
    assert report is not None
    assert "needs NVIDIA GPUs" in report.findings[0].message
    assert not report.usable


def test_other_engines_and_one_that_is_not_set_up_have_no_such_report() -> None:
    assert memory_report("portrait", stated(8), "standard") is None
    assert memory_report("liveavatar", AnimationSettings(), "standard") is None


async def test_it_is_in_the_reply(tmp_path: Path) -> None:
    settings = stated(23.99, data_dir=tmp_path / "data", output_dir=tmp_path / "out")
    app = create_app(settings)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        await app.state.readiness.settled()
        for engine, usable in (("liveavatar", False), ("portrait", True)):
            wanted = {"prompt": "a calm newsreader", "engine": engine}
            answer = (await client.post("/v1/check", json=wanted)).json()
            assert answer["usable"] is (usable and answer["prompt"]["usable"])
            assert ("engine" in answer) is (engine == "liveavatar")


async def test_mending_the_rest_does_not_make_it_fit(tmp_path: Path) -> None:
    settings = stated(23.99, data_dir=tmp_path / "data", output_dir=tmp_path / "out")
    app = create_app(settings)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        await app.state.readiness.settled()
        wanted = {"prompt": "a calm newsreader", "engine": "liveavatar", "fix": True}
        answer = (await client.post("/v1/check", json=wanted)).json()
        assert answer["after"]["engine"] == answer["engine"]
        assert answer["after"]["usable"] is False
