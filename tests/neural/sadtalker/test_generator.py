"""The generator draws what the original draws, and its source can be encoded once for any number of frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.neural.parity import assert_close, fixture
from tests.neural.sadtalker.networks import filled, picture, same_keys

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def generator() -> Any:
    from comps.animation.engines.sadtalker.network import SpadeGenerator

    return filled("generator", SpadeGenerator())


@pytest.fixture(autouse=True)
def _inference() -> object:
    with torch.inference_mode():
        yield


def test_keys(generator: Any) -> None:
    assert same_keys("generator", generator)


def test_the_picture_and_what_leads_to_it(generator: Any) -> None:
    from comps.animation.engines.sadtalker.generator import warped

    expected = fixture("sadtalker_generator")
    points = [torch.from_numpy(expected[key]) for key in ("kp_source", "kp_driving")]
    source = generator.encode_source(picture(expected["image_rgb_u8"]))
    flow = generator.dense_motion_network(source.compressed, *points)
    assert_close(source.features[:, ::2, ::4, ::8, ::8], expected["feature_3d_s"], 3e-4)
    assert_close(flow.occlusion, expected["occlusion_map"], 1e-5)
    assert_close(flow.mask[:, :, ::4, ::8, ::8], expected["mask_s8"], 1e-5)
    assert_close(flow.deformation[:, ::4, ::4, ::4], expected["deformation_s4"], 1e-5)
    drawn = generator.paint(warped(source, flow.deformation), flow.occlusion)
    assert_close(drawn[..., 96:160, 96:160], expected["prediction_center64"], 3e-4)
    # Shares of a motion below 1e-3 are dropped: one that another processor rounds to the other side of it shows around
    # one voxel.
    assert_close(drawn[..., ::4, ::4], expected["prediction_s4"], 5e-3)
    away = np.abs(drawn[..., ::4, ::4].numpy() - expected["prediction_s4"])
    assert np.quantile(away, 0.999) <= 3e-4


def quick_drawer(generator: Any) -> Any:
    """The generator in the parts that the engine runs; built with a small picture, since that is quicker."""
    from comps.animation.engines.sadtalker.drawing import Drawer
    from comps.animation.engines.sadtalker.quick import QuickPainter, QuickWeigher
    from comps.animation.neural.backend import Plan, build

    plan, motion = Plan("winograd", "cpu"), generator.dense_motion_network
    weigh = build(QuickWeigher(motion), (torch.rand(1, 80, 16, 32, 32),), plan)
    paint = build(QuickPainter(generator), (torch.rand(1, 512, 32, 32), torch.rand(1, 1, 32, 32)), plan)
    return Drawer(weigh, paint)


def test_the_chain_from_coefficients_to_pictures(generator: Any) -> None:
    from comps.animation.engines.sadtalker.network import KeypointDetector, MappingNet
    from comps.animation.engines.sadtalker.transformation import moved

    drawer = quick_drawer(generator)
    expected = fixture("sadtalker_animate")
    pixels = picture(expected["image_rgb_u8"])
    mapping = filled("mapping70", MappingNet())
    canonical = filled("kp_extractor", KeypointDetector())(pixels)
    kp_source = moved(canonical, mapping(torch.from_numpy(expected["source_semantics"][None])))
    kp_driving = moved(canonical, mapping(torch.from_numpy(expected["target_semantics"][-1:])))
    drawn = drawer.pictures(generator.encode_source(pixels), kp_source, kp_driving)
    assert_close(drawn[..., ::4, ::4], expected["prediction_s4"][-1:], 1e-3)


def test_spectral_norm_is_folded_when_weights_are_loaded() -> None:
    from comps.animation.engines.sadtalker.spade import SpectralConv2d

    layer = SpectralConv2d(3, 4, 3)
    state = {
        "bias": torch.zeros(4),
        "weight_orig": torch.arange(108.0).view(4, 3, 3, 3),
        "weight_u": torch.full((4,), 0.5),
        "weight_v": torch.full((27,), 27**-0.5),
    }
    layer.load_state_dict(state, strict=True)
    norm = float(state["weight_u"] @ state["weight_orig"].flatten(1) @ state["weight_v"])
    assert_close(layer.weight, (state["weight_orig"] / norm).numpy(), 1e-6)
    with pytest.raises(RuntimeError, match="weight_u"):
        layer.load_state_dict({key: value for key, value in state.items() if key != "weight_u"}, strict=True)
