"""ParseNet against the original network."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from comps.animation.engines.gfpgan.parsenet import ParseNet  # noqa: E402
from tests.neural import parity  # noqa: E402
from tests.neural.gfpgan.faces import picture, tensor  # noqa: E402

pytestmark = pytest.mark.torch
NAME = "facexlib_parsenet"


def test_keys_and_output_are_those_of_the_original() -> None:
    network = ParseNet()
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == parity.shapes(NAME)
    network.load_state_dict(parity.weights(NAME), strict=True)
    network.eval()
    expected = parity.fixture(NAME)
    with torch.inference_mode():
        features = network.features(tensor(picture(NAME)))
        logits, shown = network.out_mask_conv(features), network.out_img_conv(features)
    parity.assert_close(logits[..., ::32, ::32], expected["logits_s32"], 1e-4)
    parity.assert_close(shown[..., ::16, ::16], expected["image_s16"], 1e-4)
    labels = torch.from_numpy(expected["labels_u8"].astype("int64"))
    # Where two kinds are as likely to within the tolerance, either may come first.
    behind = logits[0].amax(0) - logits[0].gather(0, labels[None])[0]
    assert float(behind.max()) <= 2e-4
    assert int((behind > 0).sum()) <= 4
