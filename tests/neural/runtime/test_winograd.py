"""Winograd's method gives what convolutions give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from comps.animation.neural.measure import difference  # noqa: E402
from comps.animation.neural.winograd import Winograd, matrices  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("taps", [2, 3])
def test_the_matrices_give_a_correlation(taps: int) -> None:
    there, kernel, back = matrices(taps)
    random = np.random.default_rng(taps)
    inputs, weights = random.normal(size=3 + taps), random.normal(size=taps)
    np.testing.assert_allclose(
        back @ ((kernel @ weights) * (there @ inputs)), np.correlate(inputs, weights), atol=1e-12
    )


LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "even": (lambda: nn.Conv2d(5, 6, 3, padding=1), (2, 5, 8, 12)),
    "odd": (lambda: nn.Conv2d(5, 6, 3, padding=1), (2, 5, 9, 7)),
    "no padding, no bias": (lambda: nn.Conv2d(5, 6, 3, bias=False), (1, 5, 10, 11)),
    "two taps": (lambda: nn.Conv2d(5, 6, 2, padding=1), (2, 5, 7, 8)),
    "volume": (lambda: nn.Conv3d(5, 6, 3, padding=1), (2, 5, 4, 8, 9)),
    "volume, two taps": (lambda: nn.Conv3d(5, 6, (3, 2, 2), padding=1), (2, 5, 4, 7, 8)),
    "deep kernel": (lambda: nn.Conv3d(5, 6, (5, 3, 3), padding=(2, 1, 1)), (1, 5, 6, 8, 8)),
}


@pytest.mark.parametrize("pictures", [1, 2, 4, 5])
def test_pictures_done_together_are_each_what_they_are_alone(pictures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from comps.animation.neural import winograd

    torch.manual_seed(1)
    quick, x = Winograd(nn.Conv2d(5, 6, 3, padding=1)), torch.randn(5, 5, 8, 8)
    tiles_bytes = 4 * 36 * (2 * 2) * 6
    monkeypatch.setattr(winograd, "_STRIP_BYTES", pictures * tiles_bytes)
    with torch.inference_mode():
        assert difference(torch.cat([quick(one) for one in x.split(1)]), quick(x)) <= 1e-5


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_gives_the_same(case: str, channels_last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from comps.animation.neural import winograd

    make, shape = LAYERS[case]
    torch.manual_seed(0)
    layer, x = make().eval(), torch.randn(shape)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last if x.dim() == 4 else torch.channels_last_3d)
    with torch.inference_mode():
        expected = layer.double()(x.double())
        quick = Winograd(layer.float())
        whole = quick(x)
        monkeypatch.setattr(winograd, "_STRIP_BYTES", 1)  # a row of tiles at a time
        strips = quick(x)
    assert whole.shape == expected.shape
    assert difference(expected, whole) <= 2e-5
    assert difference(whole, strips) <= 1e-5


def test_errors_stay_those_of_rounding_for_many_channels() -> None:
    torch.manual_seed(1)
    layer, x = nn.Conv2d(512, 64, 3, padding=1), torch.randn(1, 512, 32, 32)
    nn.init.normal_(layer.weight, std=(512 * 9) ** -0.5)
    with torch.inference_mode():
        direct, quick = layer(x), Winograd(layer)(x)
        expected = layer.double()(x.double())
    assert difference(expected, quick) <= 4 * max(difference(expected, direct), 5e-6)
