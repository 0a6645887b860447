"""Answers by another engine while LiveAvatar cannot."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import ValidationError

from comps.animation.engine import AnimationOptions, Avatar, Performance
from comps.animation.engines.liveavatar.engine import LiveAvatarEngine
from comps.animation.engines.liveavatar.live import supervisor
from comps.core.errors import EngineUnavailableError, UnknownChoiceError
from tests.animation.liveavatar.conftest import CARD, Machine, MakeSettings, eventually
from tests.animation.liveavatar.test_engine_live import OPTIONS, loaded, stairs, told, worker_of

PORTRAIT = {"liveavatar_fallback": "portrait"}


async def frames(performance: Performance, seconds: float) -> int:
    return sum([len(batch.frames) async for batch in performance.animate(told(stairs(seconds)))])


async def note(engine: LiveAvatarEngine, avatar: Avatar) -> str:
    """Why an answer is drawn by the other engine; empty when LiveAvatar draws it."""
    performance = await engine.open(avatar, OPTIONS)
    return performance.notes[0] if performance.notes else ""


async def test_a_machine_without_room_answers_by_the_other_engine(
    machine: Machine, make_settings: MakeSettings, avatar: Avatar
) -> None:
    machine.cards("RTX 4090, 24564, 24080, 8.9")
    async with loaded(make_settings(**PORTRAIT)) as engine:
        performance = await engine.open(avatar, AnimationOptions(size=64))
        assert await frames(performance, 1.0) == 25
        assert performance.notes[0].startswith("drawn by 'portrait': LiveAvatar does not fit")
        assert "GiB short" in (await engine.check())["program"]
    assert not machine.pids.exists()


async def test_a_program_that_starts_is_not_waited_for(
    make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "slow_start")
    async with loaded(make_settings(**PORTRAIT)) as engine:
        assert "LiveAvatar is not ready (starting" in await note(engine, avatar)
        await worker_of(engine).until_ready()
        assert await note(engine, avatar) == ""


async def test_another_avatar_does_not_restart_the_program(
    make_settings: MakeSettings, avatar: Avatar, picture: object
) -> None:
    async with loaded(make_settings(**PORTRAIT)) as engine:
        await engine.open(avatar, OPTIONS)
        await worker_of(engine).until_ready()
        pid = worker_of(engine).pid
        other = Avatar(
            "noor",
            "Noor",
            avatar.image.parents[1] / "noor" / "portrait.png",
            avatar.image.parents[1] / "noor" / "rig.json",
        )
        assert "shows another avatar" in await note(engine, other)
        assert worker_of(engine).pid == pid


async def test_a_busy_program_is_not_waited_for(make_settings: MakeSettings, avatar: Avatar) -> None:
    async with loaded(make_settings(**PORTRAIT)) as engine:
        await engine.open(avatar, OPTIONS)
        await worker_of(engine).until_ready()
        first = (await engine.open(avatar, OPTIONS)).animate(told(stairs(4.0)))
        await anext(first)
        assert "all GPUs of LiveAvatar are busy" in await note(engine, avatar)
        await first.aclose()  # type: ignore[attr-defined]
        assert await note(engine, avatar) == ""


async def test_offline_work_that_would_wait_is_drawn_by_the_other_engine(
    machine: Machine, make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "slow")
    machine.cards(CARD.format(free=81_000))
    async with loaded(make_settings(**PORTRAIT)) as engine:
        first = asyncio.create_task(frames(await engine.open(avatar, OPTIONS), 1.0))
        await eventually(lambda: len(machine.processes()) == 2)
        assert "busy" in await note(engine, avatar)
        assert await first == 25


async def test_a_program_that_was_given_up_is_tried_again_after_a_while(
    make_settings: MakeSettings, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "missing")
    async with loaded(make_settings(**PORTRAIT)) as engine:
        await engine.open(avatar, OPTIONS)
        with pytest.raises(EngineUnavailableError):
            await worker_of(engine).until_ready()
        monkeypatch.setenv("STAND_IN_MODE", "on_time")
        assert "failed" in await note(engine, avatar)
        monkeypatch.setattr(supervisor, "TRY_AGAIN_S", 0.0)
        assert "starting" in await note(engine, avatar)
        await worker_of(engine).until_ready()
        assert await note(engine, avatar) == ""


async def test_the_other_engine_must_be_there(make_settings: MakeSettings) -> None:
    engine = LiveAvatarEngine(make_settings(liveavatar_fallback="nothing"))
    with pytest.raises(UnknownChoiceError, match="portrait"):
        await engine.load()
    await engine.close()
    with pytest.raises(ValidationError):
        make_settings(liveavatar_fallback="liveavatar")
