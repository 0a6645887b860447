"""GFPGAN with fewer passes against the original network."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from comps.animation.engines.gfpgan.network import GFPGAN, StyledConv  # noqa: E402
from comps.animation.engines.gfpgan.quick import quick  # noqa: E402
from comps.animation.neural.backend import Plan, build  # noqa: E402
from tests.neural import parity  # noqa: E402
from tests.neural.gfpgan.faces import picture, tensor  # noqa: E402

pytestmark = pytest.mark.torch
NAME = "gfpgan_v1_clean"


def test_output_is_that_of_the_original() -> None:
    with torch.device("meta"):
        network = GFPGAN()
    network.load_state_dict(parity.weights(NAME), strict=True, assign=True)
    made = quick(network.eval().requires_grad_(False))
    assert isinstance(network.stylegan_decoder.style_conv1, StyledConv)
    shared = network.stylegan_decoder.style_convs[3].modulated_conv.weight
    assert made.stylegan_decoder.style_convs[3].convolution.conv.weight.data_ptr() == shared.data_ptr()
    face, expected = tensor(picture(NAME)), parity.fixture(NAME)
    found = build(made, (face,), Plan("winograd", "cpu"))(face)
    parity.assert_close(found[..., ::8, ::8], expected["out_s8"], 1e-5)
    parity.assert_close(found[..., 240:272, 240:272], expected["out_center32"], 1e-5)
