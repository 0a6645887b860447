"""GFPGAN against the original network."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from comps.animation.engines.gfpgan.network import GFPGAN  # noqa: E402
from tests.neural import parity  # noqa: E402
from tests.neural.gfpgan.faces import picture, tensor  # noqa: E402

pytestmark = pytest.mark.torch
NAME = "gfpgan_v1_clean"


@pytest.fixture(scope="module")
def network() -> GFPGAN:
    with torch.device("meta"):
        network = GFPGAN()
    network.load_state_dict(parity.weights(NAME), strict=True, assign=True)
    return network.eval().requires_grad_(False)


def test_keys_are_those_of_the_original() -> None:
    with torch.device("meta"):
        state = GFPGAN().state_dict()
    assert len(state) == 285
    assert {key: tuple(value.shape) for key, value in state.items()} == parity.shapes(NAME)


def test_output_is_that_of_the_original(network: GFPGAN) -> None:
    expected = parity.fixture(NAME)
    face = tensor(picture(NAME))
    with torch.inference_mode():
        latents, scales, shifts = network.encode(face)
        out = network.stylegan_decoder(latents, scales, shifts)
    parity.assert_close(latents[..., ::4], expected["style_code_s4"], 1e-5)
    parity.assert_close(scales[2][:, ::32, ::2, ::2], expected["condition_scale_2"], 1e-5)
    parity.assert_close(shifts[2][:, ::32, ::2, ::2], expected["condition_shift_2"], 1e-5)
    parity.assert_close(out[..., ::8, ::8], expected["out_s8"], 1e-5)
    parity.assert_close(out[..., 240:272, 240:272], expected["out_center32"], 1e-5)
    shown = ((out[0].clamp(-1, 1) + 1) / 2 * 255).round().permute(1, 2, 0)[::8, ::8].to(torch.uint8).numpy()
    np.testing.assert_allclose(shown.astype(int), expected["out_rgb_u8_s8"].astype(int), atol=1)


def test_a_batch_restores_each_face_as_alone(network: GFPGAN) -> None:
    face, expected = tensor(picture(NAME)), parity.fixture(NAME)
    with torch.inference_mode():
        both = network(torch.cat([face.flip(3) * 0.8, face]))
    # Noise drawn anew at each call would make this 0.4.
    parity.assert_close(both[1:, :, ::8, ::8], expected["out_s8"], 1e-5)
    assert float((both[:1] - both[1:]).abs().mean()) > 1e-3
