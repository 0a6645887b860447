from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.animation.engines.liveavatar.launch.frame_size import BUDGETS, FrameSize, frame_size, largest_size


@pytest.mark.parametrize(
    ("budget", "size", "tokens"),
    [
        ("384*256", (384, 256), 384),
        ("688*368", (640, 384), 960),
        ("704*384", (704, 384), 1056),
        ("720*400", (704, 384), 1056),
    ],
)
def test_sizes_of_a_wide_picture(budget: str, size: tuple[int, int], tokens: int) -> None:
    found = frame_size(budget, 1920, 1080)
    assert (found.width, found.height) == size
    assert found.tokens == tokens


def test_the_shape_follows_the_picture() -> None:
    assert frame_size("704*384", 1080, 1920) == FrameSize(384, 704)
    assert frame_size("704*384", 600, 600) == FrameSize(512, 512)


@given(st.sampled_from(sorted(BUDGETS)), st.integers(64, 8000), st.integers(64, 8000))
def test_every_size_can_be_made(budget: str, width: int, height: int) -> None:
    size = frame_size(budget, width, height)
    assert size.width % 64 == size.height % 64 == 0
    assert size.width * size.height <= BUDGETS[budget]
    assert size.tokens <= largest_size(budget).tokens
    assert size.fits_cache(1)
    assert size.fits_cache(5)


@pytest.mark.parametrize(
    ("size", "gpus", "fits"),
    [
        ((704, 384), 1, True),
        ((704, 448), 5, False),
        ((640, 480), 5, True),
        ((640, 480), 1, False),
        ((1280, 704), 5, False),
    ],
)
def test_the_cache_of_the_reference_bounds_the_size(size: tuple[int, int], gpus: int, fits: bool) -> None:
    assert FrameSize(*size).fits_cache(gpus) is fits


def test_tokens_of_the_reference_are_those_that_users_report() -> None:
    assert FrameSize(704, 384).condition_tokens == 2640
    assert FrameSize(1280, 704).condition_tokens == 8800
