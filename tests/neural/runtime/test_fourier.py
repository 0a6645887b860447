"""Products in the spectrum give what convolutions give."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from comps.animation.neural.fourier import Fourier  # noqa: E402
from comps.animation.neural.measure import difference  # noqa: E402

pytestmark = pytest.mark.torch

LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "one tile": (lambda: nn.Conv2d(5, 6, 7, padding=3), (2, 5, 20, 34)),
    "several tiles": (lambda: nn.Conv2d(5, 6, 9, padding=4), (2, 5, 33, 70)),
    "no padding, no bias": (lambda: nn.Conv2d(5, 6, 7, bias=False), (1, 5, 45, 30)),
    "volume": (lambda: nn.Conv3d(5, 6, 7, padding=3), (2, 5, 4, 35, 20)),
    "shallow kernel": (lambda: nn.Conv3d(5, 6, (1, 7, 7), padding=(0, 3, 3)), (1, 5, 3, 20, 20)),
}


@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_gives_the_same(case: str) -> None:
    make, shape = LAYERS[case]
    torch.manual_seed(0)
    layer, x = make().eval(), torch.randn(shape)
    with torch.inference_mode():
        expected = layer.double()(x.double())
        found = Fourier(layer.float())(x)
    assert found.shape == expected.shape
    assert found.dtype == torch.float32
    assert difference(expected, found) <= 1e-5
