"""Convolutions are done in another way where that pays."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from comps.animation.neural.fourier import Fourier  # noqa: E402
from comps.animation.neural.measure import difference  # noqa: E402
from comps.animation.neural.quick_convolutions import with_quick_convolutions  # noqa: E402
from comps.animation.neural.winograd import Winograd  # noqa: E402

pytestmark = pytest.mark.torch


class Mixed(nn.Module):
    """Layers that gain, and every kind that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(130, 130, 3, padding=1)
        self.narrow = nn.Conv2d(130, 8, 3, padding=1)
        self.strided = nn.Conv2d(130, 130, 3, 2, padding=1)
        self.small = nn.Conv2d(130, 130, 3, padding=1)
        self.pointwise = nn.Conv2d(130, 130, 1)
        self.mirrored = nn.Conv2d(130, 130, 3, padding=1, padding_mode="reflect")
        self.grouped = nn.Conv2d(130, 130, 3, padding=1, groups=2)
        self.large = nn.Conv2d(8, 130, 7, padding=3)
        self.huge = nn.Conv2d(130, 130, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.huge(self.wide(x)))
        y = self.grouped(self.mirrored(self.pointwise(x)))
        return self.narrow(y)[..., ::2, ::2] + self.large(self.small(self.strided(x))[:, :8])[:, :8]


def test_layers_are_replaced_where_it_pays_and_the_module_is_left_alone() -> None:
    torch.manual_seed(2)
    module, x = Mixed().eval(), torch.randn(2, 130, 32, 32)
    with torch.inference_mode():
        quick = with_quick_convolutions(module, (x,))
        assert difference(module(x), quick(x)) <= 1e-4
    kinds = {name: type(part) for name, part in quick.named_children() if type(part) is not nn.Conv2d}
    assert kinds == {"wide": Winograd, "huge": Fourier}
    assert all(type(part) is nn.Conv2d for part in module.children())
