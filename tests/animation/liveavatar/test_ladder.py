from __future__ import annotations

from dataclasses import replace

import pytest

from comps.animation.engines.liveavatar.failures import Failure
from comps.animation.engines.liveavatar.launch.ladder import ORDERS, REMEDIES, advice, next_rung, settle
from comps.animation.engines.liveavatar.launch.mending import mended
from comps.animation.engines.liveavatar.launch.plan import Plan
from comps.animation.engines.liveavatar.settings import Order
from tests.animation.liveavatar.test_memory import FIVE, FREE, ONE, card

HERE = [card(48)]


def climbed(plan: Plan, order: Order) -> list[str]:
    """The fields that each rung changes, down to the last one."""
    fields = []
    while (rung := next_rung(plan, HERE, order)) is not None:
        fields.append(rung[0].field)
        plan = rung[1]
    return fields


def test_the_order_for_the_picture_keeps_the_picture_longest() -> None:
    # On one GPU models wait on the CPU anyway, the text encoder among them.
    assert climbed(ONE, "picture") == ["fp8", "offload_kv_cache", "size", "infer_frames", "infer_frames"]
    staying = replace(ONE, offload_model=False)
    assert climbed(staying, "picture") == [
        *("fp8", "t5_cpu", "offload_kv_cache", "size", "infer_frames", "infer_frames", "offload_model")
    ]
    assert climbed(FIVE, "picture") == ["fp8", "t5_cpu", "size"]


def test_the_order_of_the_parameter_guide_begins_with_the_picture() -> None:
    staying = replace(ONE, offload_model=False)
    assert climbed(staying, "guide") == [
        *("size", "infer_frames", "infer_frames", "offload_kv_cache", "offload_model", "fp8")
    ]
    assert climbed(FIVE, "guide") == ["size", "fp8", "t5_cpu"]


def test_both_orders_have_all_remedies() -> None:
    assert {frozenset(order) for order in ORDERS.values()} == {frozenset(REMEDIES)}


def test_what_the_settings_fix_is_left_alone_but_advised() -> None:
    pinned = replace(ONE, pinned=frozenset({"fp8", "size"}))
    assert climbed(pinned, "picture") == ["offload_kv_cache", "infer_frames", "infer_frames"]
    assert "AVATAR_ANIMATION_LIVEAVATAR_FP8=on" in advice(pinned, HERE, "picture")[0]


def test_cards_without_8_bit_floats_skip_that_rung() -> None:
    rung = next_rung(FIVE, [card(48, capability=(8, 6))], "picture")
    assert rung is not None
    assert rung[0].field == "t5_cpu"


@pytest.mark.parametrize(
    ("plan", "gb", "changed"),
    [
        (ONE, 80, {}),
        (FIVE, 80, {}),
        (ONE, 48, {"fp8": True, "offload_kv_cache": True}),
        (FIVE, 48, {"fp8": True}),
    ],
)
def test_a_plan_is_made_to_fit(plan: Plan, gb: int, changed: dict[str, bool]) -> None:
    settled, verdict = settle(plan, [card(FREE[gb], index) for index in plan.gpus], "picture")
    assert verdict.fits
    assert replace(settled, notes=()) == replace(plan, **changed)  # type: ignore[arg-type]
    assert len(settled.notes) == len(changed)
    assert all("to save memory" in note for note in settled.notes)


@pytest.mark.parametrize("plan", [ONE, FIVE])
def test_no_plan_fits_24_gb(plan: Plan) -> None:
    settled, verdict = settle(plan, [card(FREE[24], index) for index in plan.gpus], "picture")
    assert settled == plan
    assert not verdict.fits
    assert verdict.least_gib == pytest.approx(35.9, abs=0.1)
    assert verdict.remedies[0].startswith("AVATAR_ANIMATION_LIVEAVATAR_FP8=on")
    assert "even at its leanest it needs 35.9 GiB" in str(verdict)


def test_a_failure_goes_down_the_same_ladder() -> None:
    out_of_memory = Failure("memory")
    first = mended(FIVE, out_of_memory, HERE, "picture")
    assert first is not None
    assert first.fp8
    assert first.notes[0].startswith("after it ran out of memory: AVATAR_ANIMATION_LIVEAVATAR_FP8=on")
    last = replace(first, t5_cpu=True, size="384*256")
    assert mended(last, out_of_memory, HERE, "picture") is None


def test_gpus_that_cannot_talk_are_tried_without_peer_copies() -> None:
    better = mended(FIVE, Failure("nccl"), HERE, "picture")
    assert better is not None
    assert not better.p2p
    assert mended(better, Failure("nccl"), HERE, "picture") == better


@pytest.mark.parametrize(("kind", "again"), [("missing", False), ("flag", False), ("port", True), ("unknown", True)])
def test_other_failures(kind: str, again: bool) -> None:
    assert mended(FIVE, Failure(kind), HERE, "picture") == (FIVE if again else None)  # type: ignore[arg-type]
