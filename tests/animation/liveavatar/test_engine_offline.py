"""The engine on one GPU with a stand-in for the program: the real command, files and processes."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comps.animation.engine import AnimationOptions, Avatar, FrameBatch
from comps.animation.engines.liveavatar.engine import LiveAvatarEngine
from comps.animation.engines.liveavatar.offline.performance import Bench
from comps.core.errors import AvatarError, BusyError, EngineUnavailableError
from tests.animation.liveavatar.conftest import CARD, Machine, MakeSettings, eventually
from tests.animation.liveavatar.test_engine_live import OPTIONS, expected, loaded, stairs, told


def close_to(batches: list[FrameBatch], values: list[int]) -> bool:
    """Whether the frames, which H.264 changed a little, are these greys in this order."""
    seen: list[float] = []
    for batch in batches:
        assert batch.first == len(seen)
        seen += batch.frames.mean(axis=(1, 2, 3)).tolist()
    return len(seen) == len(values) and float(np.abs(np.array(seen) - values).max()) < 4


async def drawn(engine: LiveAvatarEngine, avatar: Avatar, seconds: float, **options: Any) -> list[FrameBatch]:
    performance = await engine.open(avatar, AnimationOptions(**{"size": 64, **options}))
    return [batch async for batch in performance.animate(told(stairs(seconds)))]


def bench_of(engine: LiveAvatarEngine) -> Bench:
    assert engine._benches is not None
    return engine._benches.members[0]


@pytest.fixture(autouse=True)
def _one_card(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.cards(CARD.format(free=81_000))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def left_over(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "temporary").iterdir() if path.name.startswith("avatar-")]


async def test_every_frame_is_there(
    machine: Machine, make_settings: MakeSettings, avatar: Avatar, tmp_path: Path
) -> None:
    async with loaded(make_settings()) as engine:
        assert engine.capabilities.look_ahead_s == 20
        assert close_to(await drawn(engine, avatar, 4.0), expected(100))
        assert machine.processes() == []
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("fps", [30, 12])
async def test_other_rates(make_settings: MakeSettings, avatar: Avatar, fps: int) -> None:
    async with loaded(make_settings()) as engine:
        batches = await drawn(engine, avatar, 1.5, fps=fps)
    assert close_to(batches, [expected(50)[index * 25 // fps] for index in range(3 * fps // 2)])


async def test_the_end_that_the_program_does_not_make_is_held(make_settings: MakeSettings, avatar: Avatar) -> None:
    """Two clips are 96 frames, of which it makes 93."""
    async with loaded(make_settings()) as engine:
        batches = await drawn(engine, avatar, 3.84)
    assert close_to(batches, [*expected(93), *[expected(93)[-1]] * 3])


async def test_no_speech_starts_no_program(machine: Machine, make_settings: MakeSettings, avatar: Avatar) -> None:
    async with loaded(make_settings()) as engine:
        assert await drawn(engine, avatar, 0) == []
    assert not machine.pids.exists()


@pytest.mark.parametrize(
    ("mode", "notes"),
    [
        ("oom", ["FP8=on"]),
        ("nccl", ["P2P=false"]),
    ],
)
async def test_a_failure_is_tried_with_less_and_told(
    make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch, mode: str, notes: list[str]
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", mode)
    # The order in which 8-bit weights, which the stand-in asks for, are the first rung.
    async with loaded(make_settings(liveavatar_remedies="picture")) as engine:
        performance = await engine.open(avatar, OPTIONS)
        batches = [batch async for batch in performance.animate(told(stairs(1.0)))]
        kept = bench_of(engine).plan
    assert close_to(batches, expected(25))
    said = [note for note in performance.notes if note.startswith("after")]
    assert all(note in text for note, text in zip(notes, said, strict=True))
    assert kept.fp8 or not kept.p2p


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("oom_always", "ran out of memory; tried: .*FP8=on"),
        ("missing", "missing or damaged"),
        ("assertion", "does not take these settings"),
        ("no_video", "it failed"),
        ("false_video", "its file is no video"),
        ("short", "the video has 28 frames, not 45"),
    ],
)
async def test_what_cannot_be_mended_is_said(
    machine: Machine,
    make_settings: MakeSettings,
    avatar: Avatar,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    mode: str,
    message: str,
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", mode)
    async with loaded(make_settings()) as engine:
        with pytest.raises(EngineUnavailableError, match=message):
            await drawn(engine, avatar, 1.2)
        assert await engine.check() == {"GPU 0": "idle"}
    assert machine.processes() == []
    assert left_over(tmp_path) == []


async def test_progress_is_told_and_leaving_ends_the_program(
    machine: Machine, make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "slow")
    async with loaded(make_settings()) as engine:
        job = asyncio.create_task(drawn(engine, avatar, 15.0))
        bench = bench_of(engine)
        await eventually(lambda: "s left" in str(bench))
        assert (await engine.check())["GPU 0"].startswith("block ")
        assert "of 32" in str(bench)
        assert len(machine.processes()) == 2
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        assert machine.processes() == []
        assert str(bench) == "idle"
    assert left_over(tmp_path) == []


async def test_a_job_has_a_deadline(
    machine: Machine, make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "never")
    async with loaded(make_settings(liveavatar_job_s=2)) as engine:
        with pytest.raises(AvatarError, match="did not finish within 2 s") as caught:
            await drawn(engine, avatar, 1.0)
        assert caught.value.status == 504
    assert machine.processes() == []


async def test_two_cards_work_side_by_side_and_a_third_answer_waits(
    machine: Machine, make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "slow")
    machine.cards(CARD.format(free=81_000), CARD.format(free=81_000))
    async with loaded(make_settings(liveavatar_gpus="0;1", liveavatar_queue=1)) as engine:
        jobs = [asyncio.create_task(drawn(engine, avatar, 1.0)) for _ in range(3)]
        groups = engine._benches
        assert groups is not None
        await eventually(lambda: groups.waiting == 1 and len(machine.processes()) == 4)
        with pytest.raises(BusyError):
            await engine.open(avatar, OPTIONS)
        for batches in await asyncio.gather(*jobs):
            assert close_to(batches, expected(25))


@pytest.mark.parametrize(
    ("cards", "changes", "message"),
    [
        (["RTX 4090, 24564, 24080, 8.9"], {}, "does not fit: it needs .* GiB short.*even at its leanest"),
        (["RTX 4090, 24564, 24080, 8.9"] * 5, {"liveavatar_size": ""}, "does not fit"),
        (["A100, 81920, 81000, 8.0"], {"liveavatar_fp8": "on"}, "do not multiply 8-bit floats"),
        ([CARD.format(free=81_000)] * 2, {"liveavatar_gpus": "0,1"}, "not on 2"),
        ([CARD.format(free=81_000)] * 6, {"liveavatar_gpus": "0,1,2,3,4;5"}, "all single ones or all of five"),
        ([CARD.format(free=81_000)], {"liveavatar_gpus": "3"}, "GPU 3 is set for LiveAvatar but not here"),
        ([CARD.format(free=81_000)], {"liveavatar_dir": None}, "LIVEAVATAR_DIR"),
        ([CARD.format(free=81_000)], {"liveavatar_nvidia_smi": "/nowhere"}, "needs NVIDIA GPUs"),
    ],
)
async def test_what_cannot_work_is_said_before_anything_starts(
    machine: Machine, make_settings: MakeSettings, cards: list[str], changes: dict[str, Any], message: str
) -> None:
    machine.cards(*cards)
    engine = LiveAvatarEngine(make_settings(**changes))
    with pytest.raises(EngineUnavailableError, match=message):
        await engine.load()
    await engine.close()
    assert not machine.pids.exists()


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"liveavatar_preset": "quality", "liveavatar_size": ""}, ("384*256", 36, False, False)),
        ({"liveavatar_size": "704*384", "liveavatar_remedies": "picture"}, ("704*384", 48, True, True)),
    ],
)
async def test_a_card_of_48_gb_gets_the_remedies_it_needs(
    settings: dict[str, str], kept: tuple[str, int, bool, bool], machine: Machine, make_settings: MakeSettings
) -> None:
    machine.cards("L40S, 49140, 48600, 8.9")
    async with loaded(make_settings(**settings)) as engine:
        plan = bench_of(engine).plan
    assert (plan.size, plan.infer_frames, plan.fp8, plan.offload_kv_cache) == kept
    saved = [note for note in plan.notes if note.startswith("to save memory: AVATAR_ANIMATION_LIVEAVATAR_")]
    assert len(saved) == 2


async def test_the_card_with_most_free_memory_is_taken(machine: Machine, make_settings: MakeSettings) -> None:
    machine.cards(*(CARD.format(free=free) for free in (60_000, 81_000, 70_000)))
    async with loaded(make_settings()) as engine:
        assert list(await engine.check()) == ["GPU 1"]


async def test_a_request_chooses_prompt_seed_and_preset(
    make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STAND_IN_ARGUMENTS", str(tmp_path / "arguments"))
    async with loaded(make_settings(liveavatar_size="")) as engine:
        assert engine.capabilities.text
        await drawn(engine, avatar, 0.5, prompt=" -A woman\n laughs. ", seed=11, preset="quality")
        asked = (tmp_path / "arguments").read_text().split("\n")
        assert "--prompt=-A woman laughs." in asked
        assert asked[asked.index("--base_seed") + 1] == "11"
        assert asked[asked.index("--size") + 1] == "704*384"
        assert "--enable_online_decode" in asked
        await drawn(engine, avatar, 0.5, preset="quick")
        assert "384*256" in (tmp_path / "arguments").read_text()
        await drawn(engine, avatar, 0.5)
        asked = (tmp_path / "arguments").read_text().split("\n")
        assert "688*368" in asked
        assert any(argument.startswith("--prompt=A person looks into the camera") for argument in asked)


async def test_a_video_of_another_length_will_do_if_all_that_is_needed_is_there(
    make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "cut")
    async with loaded(make_settings()) as engine:
        assert close_to(await drawn(engine, avatar, 1.88), expected(47))
