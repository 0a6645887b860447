"""Frames of several answers are drawn together as they are drawn alone, in parts as in one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.neural.parity import assert_close
from tests.neural.sadtalker.networks import filled

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SIDE = 128
"""The least the network takes, and four times as quick as what is used."""


@pytest.fixture(scope="module")
def generator() -> Any:
    from comps.animation.engines.sadtalker.network import SpadeGenerator

    return filled("generator", SpadeGenerator())


def frame(generator: Any, seed: int) -> tuple[Any, Any, Any]:
    draws = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        source = generator.encode_source(torch.rand(1, 3, SIDE, SIDE, generator=draws))
    points = torch.randn(2, 15, 3, generator=draws) * 0.3
    return source, points[0], points[1]


def test_answers_share_a_call(generator: Any) -> None:
    from comps.animation.engines.sadtalker.drawing import Drawable, Drawer

    drawer = Drawer(generator.dense_motion_network.weigh, generator.paint)
    frames = [frame(generator, seed) for seed in (1, 2)]
    together = drawer.draw([Drawable(*each) for each in frames])
    for (source, kp_source, kp_driving), found in zip(frames, together, strict=True):
        with torch.inference_mode():
            expected = generator.draw(source, kp_source[None], kp_driving[None])[0]
        assert found.shape == (SIDE, SIDE, 3)
        assert found.dtype == np.uint8
        assert_close(found / 255, expected.permute(1, 2, 0).numpy(), 0.5 / 255 + 1e-3)


def test_the_quick_parts_give_the_same(generator: Any) -> None:
    from comps.animation.engines.sadtalker.quick import QuickPainter, QuickWeigher

    motion, draws = generator.dense_motion_network, torch.Generator().manual_seed(5)
    quick_weigh, quick_paint = QuickWeigher(motion).eval(), QuickPainter(generator).eval()
    with torch.inference_mode():
        seen = torch.rand(1, 80, 16, 32, 64, generator=draws)
        for found, expected in zip(quick_weigh(seen), motion.weigh(seen), strict=True):
            assert_close(found, expected.numpy(), 1e-5)
        features = torch.randn(1, 512, 8, 16, generator=draws)
        occlusion = torch.rand(1, 1, 8, 16, generator=draws)
        assert_close(quick_paint(features, occlusion), generator.paint(features, occlusion).numpy(), 2e-5)


@pytest.mark.parametrize("times", [2, 4])
@pytest.mark.parametrize("depth", [(), (3,)])
def test_a_convolution_of_repeated_pixels(times: int, depth: tuple[int, ...]) -> None:
    from comps.animation.engines.sadtalker.quick import Repeated

    draws = torch.Generator().manual_seed(6)
    weight = torch.randn(5, 4, *(3 for _ in depth), 3, 3, generator=draws)
    bias = torch.randn(5, generator=draws)
    x = torch.randn(2, 4, *depth, 6, 7, generator=draws)
    large = x.repeat_interleave(times, -1).repeat_interleave(times, -2)
    convolve = torch.nn.functional.conv3d if depth else torch.nn.functional.conv2d
    expected = convolve(large, weight, bias, padding=1)
    with torch.inference_mode():
        assert_close(Repeated(weight, bias, times)(x), torch.relu(expected).numpy(), 1e-4)


def test_frames_of_one_answer_do_not_copy_its_source(generator: Any) -> None:
    from comps.animation.engines.sadtalker.drawing import Drawable, batched

    source, kp_source, kp_driving = frame(generator, 3)
    batch, sources, driving = batched([Drawable(source, kp_source, kp_driving)] * 4)
    assert batch.features.shape[0] == len(sources) == len(driving) == 4
    assert batch.features.data_ptr() == source.features.data_ptr()
