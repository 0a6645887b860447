"""The memory check against the figures of docs/liveavatar.md."""

from __future__ import annotations

from dataclasses import replace

import pytest

from comps.animation.engines.liveavatar.launch.frame_size import FrameSize
from comps.animation.engines.liveavatar.launch.gpus import Gpu
from comps.animation.engines.liveavatar.launch.memory import (
    cache_gib,
    has_fp8,
    latents,
    need,
    preflight,
    sharded_verdict,
)
from comps.animation.engines.liveavatar.launch.plan import Plan

ONE = Plan("offline", (0,), "704*384", offload_model=True)
FIVE = Plan("stream", (0, 1, 2, 3, 4), "720*400")
LARGE = FrameSize(704, 384)
FREE = {24: 23.99, 48: 47.5, 80: 79.2}
"""GiB that cards sold with so many GB have."""


def card(free_gib: float, index: int = 0, capability: tuple[int, int] | None = (9, 0)) -> Gpu:
    return Gpu(index, "card", free_gib, free_gib, capability)


def test_shards_and_what_is_reassembled_must_fit_together() -> None:
    verdict = sharded_verdict(21.48, 4.17, 23.99)
    assert not verdict.fits
    assert verdict.need_gib == pytest.approx(25.65)
    assert verdict.short_gib == pytest.approx(1.66)
    assert verdict.biggest == "shard of the model"
    assert "1.66 GiB short" in str(verdict)
    assert sharded_verdict(21.48, 2.4, 23.99).fits


def test_the_sum_over_the_cards_is_not_the_test() -> None:
    """Five such cards have 120 GiB for 107 of shards, and yet none of them has room."""
    assert 5 * 23.99 > 5 * 21.48
    assert not sharded_verdict(21.48, 4.17, 23.99).fits


@pytest.mark.parametrize(
    ("size", "one_set", "four_sets"),
    [((384, 256), 3.52, 14.1), ((640, 384), 8.79, 35.2), ((704, 384), 9.67, 38.7), ((832, 448), 13.33, 53.3)],
)
def test_caches(size: tuple[int, int], one_set: float, four_sets: float) -> None:
    assert cache_gib(FrameSize(*size), 48) == pytest.approx(one_set, abs=0.006)
    assert 4 * cache_gib(FrameSize(*size), 48) == pytest.approx(four_sets, abs=0.06)


@pytest.mark.parametrize(("frames", "expected"), [(24, 6), (36, 9), (48, 12), (60, 15), (72, 18), (96, 24)])
def test_latents(frames: int, expected: int) -> None:
    assert latents(frames) == expected


@pytest.mark.parametrize(
    ("plan", "run"),
    [
        (FIVE, 53.7),
        (replace(FIVE, fp8=True), 38.9),
        (replace(FIVE, fp8=True, t5_cpu=True), 28.3),
        (ONE, 71.2),
        (replace(ONE, fp8=True), 56.4),
        (replace(ONE, fp8=True, offload_kv_cache=True), 27.3),
    ],
)
def test_peaks(plan: Plan, run: float) -> None:
    found = need(plan, LARGE)
    assert found.run == pytest.approx(run, abs=0.1)
    assert found.load == pytest.approx(32.9, abs=0.06)
    assert found.peak == pytest.approx(max(found.run, found.load) + found.margin)


def test_the_margin_is_three_or_eight_percent_unless_measured() -> None:
    assert need(replace(ONE, fp8=True, offload_kv_cache=True), LARGE).margin == 3
    assert need(ONE, LARGE).margin == pytest.approx(0.08 * need(ONE, LARGE).run)
    assert need(ONE, LARGE, 1.5).margin == 1.5


@pytest.mark.parametrize(
    ("gb", "plan", "fits"),
    [
        (24, ONE, False),
        (24, replace(ONE, fp8=True), False),
        (24, replace(ONE, fp8=True, offload_kv_cache=True, t5_cpu=True), False),
        (24, FIVE, False),
        (24, replace(FIVE, fp8=True), False),
        (48, ONE, False),
        (48, replace(ONE, fp8=True), False),
        (48, replace(ONE, fp8=True, offload_kv_cache=True), True),
        (48, FIVE, False),
        (48, replace(FIVE, fp8=True), True),
        (80, ONE, True),
        (80, replace(ONE, fp8=True), True),
        (80, FIVE, True),
        (80, replace(FIVE, fp8=True), True),
    ],
)
def test_cards_of_24_48_and_80_gb(gb: int, plan: Plan, fits: bool) -> None:
    verdict = preflight(plan, [card(FREE[gb], index) for index in plan.gpus], LARGE)
    assert verdict.fits is fits
    assert (verdict.short_gib == 0) is fits
    assert verdict.need_gib - verdict.free_gib == pytest.approx(verdict.short_gib) or fits


def test_a_24_gb_card_fails_while_loading() -> None:
    verdict = preflight(replace(ONE, fp8=True, offload_kv_cache=True), [card(23.99)], LARGE)
    assert verdict.biggest == "transformer"
    assert set(verdict.parts) == {"transformer", "LoRA"}


def test_the_fullest_card_counts() -> None:
    cards = [card(80, index) for index in range(4)]
    assert preflight(FIVE, [*cards, card(80, 4)], LARGE).fits
    verdict = preflight(FIVE, [*cards, card(50, 4)], LARGE)
    assert not verdict.fits
    assert verdict.free_gib == 50


def test_eight_bits_need_the_instructions() -> None:
    assert has_fp8([card(80, capability=(8, 9)), card(80, capability=(10, 0))])
    assert not has_fp8([card(80, capability=(9, 0)), card(80, capability=(8, 6))])
    assert not has_fp8([card(80, capability=None)])
