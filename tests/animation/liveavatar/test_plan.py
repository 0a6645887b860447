from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from comps.animation.engines.liveavatar.launch.plan import Plan, for_preset, make_plan
from comps.animation.engines.liveavatar.settings import LiveAvatarSettings, parse_gpus
from comps.core.errors import EngineUnavailableError

FIVE = (0, 1, 2, 3, 4)


def plan(gpus: tuple[int, ...] = (0,), **values: Any) -> Plan:
    return make_plan(LiveAvatarSettings(**{f"liveavatar_{name}": value for name, value in values.items()}), gpus)


def test_one_gpu_works_offline_and_five_stream() -> None:
    assert (plan().mode, plan().offload_model, plan().compile) == ("offline", True, False)
    assert (plan(FIVE).mode, plan(FIVE).offload_model, plan(FIVE).compile) == ("stream", False, True)
    assert plan(FIVE, mode="offline").mode == "offline"
    assert plan().notes == plan(FIVE).notes == ()


@pytest.mark.parametrize("count", [2, 3, 4])
def test_two_to_four_gpus_are_refused(count: int) -> None:
    with pytest.raises(EngineUnavailableError, match=rf"on one GPU or on 5, not on {count}"):
        plan(tuple(range(count)))


def test_one_gpu_cannot_stream() -> None:
    with pytest.raises(EngineUnavailableError, match="streams only on 5"):
        plan(mode="stream")


def test_more_than_five_gpus_leave_some_idle() -> None:
    made = plan((*FIVE, 5, 6))
    assert made.gpus == FIVE
    assert made.notes == ("GPU 5, 6 is not used: a group is one GPU or 5",)


@pytest.mark.parametrize(
    ("preset", "single", "five", "online"),
    [
        ("quick", "384*256", "384*256", False),
        ("standard", "688*368", "720*400", False),
        ("quality", "704*384", "704*384", True),
    ],
)
def test_presets(preset: str, single: str, five: str, online: bool) -> None:
    one, many = plan(preset=preset), plan(FIVE, preset=preset)
    assert (one.size, many.size) == (single, five)
    assert (one.infer_frames, one.steps, many.infer_frames, many.steps) == (48, 4, 48, 4)
    assert (one.online_decode, many.online_decode) == (online, False)


@pytest.mark.parametrize(("asked", "made", "said"), [(32, 36, "36 frames instead of 32"), (80, 72, "72 frames")])
def test_lengths_of_clips_are_rounded_and_reported(asked: int, made: int, said: str) -> None:
    rounded = plan(infer_frames=asked)
    assert rounded.infer_frames == made
    assert said in rounded.notes[0]


def test_a_live_program_makes_clips_of_48() -> None:
    made = plan(FIVE, infer_frames=72)
    assert made.infer_frames == 48
    assert "a live program takes no other" in made.notes[0]


@pytest.mark.parametrize(
    ("gpus", "asked", "made"), [((0,), 3, 3), ((0,), 2, 4), ((0,), 5, 4), ((0,), 6, 4), (FIVE, 3, 4), (FIVE, 5, 4)]
)
def test_steps_are_clamped_and_reported(gpus: tuple[int, ...], asked: int, made: int) -> None:
    clamped = plan(gpus, steps=asked)
    assert clamped.steps == made
    assert len(clamped.notes) == (asked != made)
    assert all(f"4 sampling steps instead of {asked}" in note for note in clamped.notes)


def test_switches_of_one_gpu_are_left_off_on_five() -> None:
    made = plan(FIVE, offload_kv_cache="on", online_decode="on", offload_model="on")
    assert {made.offload_kv_cache, made.online_decode, made.offload_model} == {False}
    assert len(made.notes) == 3


def test_what_the_settings_fix_is_pinned() -> None:
    made = plan(size="704*384", infer_frames=48, fp8="off", t5_cpu="on")
    assert made.pinned == {"size", "infer_frames", "fp8", "t5_cpu"}
    assert plan().pinned == frozenset()


@pytest.mark.parametrize(("text", "groups"), [("0", ((0,),)), ("0, 1,2;5", ((0, 1, 2), (5,))), ("3;1", ((3,), (1,)))])
def test_groups_of_gpus(text: str, groups: tuple[tuple[int, ...], ...]) -> None:
    assert parse_gpus(text) == groups


@pytest.mark.parametrize("text", ["a", "0,0", "0;0", "-1", ";", "0;"])
def test_no_groups_of_gpus(text: str) -> None:
    with pytest.raises(ValidationError):
        LiveAvatarSettings(liveavatar_gpus=text)


def test_the_prompt_is_never_empty() -> None:
    assert 90 <= len(LiveAvatarSettings(liveavatar_prompt=" ").liveavatar_scene.split()) <= 200
    assert LiveAvatarSettings(liveavatar_prompt="A man.").liveavatar_scene == "A man."


def test_a_request_may_name_a_preset() -> None:
    one = plan()
    assert for_preset(one, "standard") == one
    assert (for_preset(one, "quick").size, for_preset(one, "quality").size) == ("384*256", "704*384")
    assert for_preset(one, "quality").online_decode
    assert for_preset(plan(size="688*368", online_decode="off"), "quality") == plan(size="688*368", online_decode="off")
    assert for_preset(plan(FIVE), "quick") == plan(FIVE)
    assert for_preset(plan(FIVE, mode="offline"), "standard").size == "720*400"
