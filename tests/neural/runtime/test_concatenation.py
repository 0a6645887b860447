"""Layers that read two pictures as one give what they give for the pictures put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from comps.animation.neural import quick_convolutions  # noqa: E402
from comps.animation.neural.backend import Plan, build  # noqa: E402
from comps.animation.neural.concatenation import Concatenation  # noqa: E402
from comps.animation.neural.folding import fold_concatenations  # noqa: E402
from comps.animation.neural.fused_winograd import FusedWinograd  # noqa: E402
from comps.animation.neural.int16_windows import Int16Windows  # noqa: E402
from comps.animation.neural.int16_winograd import Int16Winograd  # noqa: E402
from comps.animation.neural.measure import difference  # noqa: E402
from tests.neural.runtime.compiled import CASES, NAMES  # noqa: E402
from tests.neural.runtime.test_fused_winograd import needs_code  # noqa: E402

pytestmark = pytest.mark.torch


@needs_code
@pytest.mark.parametrize(("kind", "make", "shape"), CASES, ids=NAMES)
def test_parts_are_read_as_one(kind: Any, make: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = kind(make().eval())
    x = torch.randn(shape)
    # Where vectors of channels begin changes which sums are contracted; in int16 it may change a step of rounding.
    limit = 1e-5 if kind is FusedWinograd else 3e-3
    with torch.inference_mode():
        expected = layer(x)
        for first in {1, shape[1] // 2, shape[1] - 1} & set(range(1, shape[1])):
            found = layer((x[:, :first].clone(), x[:, first:].clone()))
            assert difference(expected, found) <= limit * float(expected.std(correction=0)) + 1e-6


@needs_code
@pytest.mark.parametrize("kind", [FusedWinograd, Int16Winograd, Int16Windows])
def test_parts_that_do_not_fit_are_told(kind: Any) -> None:
    layer, x = kind(nn.Conv2d(16, 20, 3)), torch.zeros(2, 8, 9, 9)
    with pytest.raises(RuntimeError, match="instead of float32"):
        layer((x, x[:, :4], x[:, 4:]))
    for other in (torch.zeros(2, 7, 9, 9), torch.zeros(1, 8, 9, 9), torch.zeros(2, 8, 9, 8), x.double(), x[0]):
        with pytest.raises(RuntimeError, match=r"and torch.* instead of float32.* \[n, 16, h, w\] on cpu"):
            layer((x, other))


def test_it_puts_channels_together() -> None:
    first, second = torch.randn(2, 3, 4, 5), torch.randn(2, 2, 4, 5)
    assert torch.equal(Concatenation()(first, second), torch.cat([first, second], 1))


class Skipping(nn.Module):
    """Layers beside what was before them; each of `readers`, by its groups, reads the first concatenation."""

    def __init__(self, *readers: int) -> None:
        super().__init__()
        self.joins = nn.ModuleList(Concatenation() for _ in range(2))
        self.first = nn.Conv2d(32, 48, 3, padding=1)
        self.wide = nn.ModuleList(nn.Conv2d(80, 64, 3, padding=1, groups=each) for each in readers)
        self.grouped = nn.Conv2d(96, 32, 3, padding=1, groups=2)

    def forward(self, x: Tensor) -> Tensor:
        joined = self.joins[0](self.first(x), x)
        made: Tensor = self.grouped(self.joins[1](sum(wide(joined) for wide in self.wide), x))
        return made


@needs_code
@pytest.mark.parametrize("backend", ["winograd", "int16", "folded"])
@pytest.mark.parametrize("readers", [(1,), (1, 1), (1, 2), (2, 1)])
def test_parts_are_left_apart_where_one_layer_can_read_them(
    backend: Any, readers: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_convolutions, "is_quicker", lambda *_: True)
    torch.manual_seed(1)
    module, x = Skipping(*readers).eval(), torch.randn(2, 32, 12, 16)
    program = build(module, (x,), Plan(backend, "cpu"))
    assert [join.apart for join in program.module.joins] == [backend != "folded" and readers == (1,), False]
    assert not any(join.apart for join in module.joins)
    with torch.inference_mode():
        expected = module(x)
    assert difference(expected, program(x)) <= (1e-2 if backend == "int16" else 1e-5)


def test_a_network_without_such_layers_is_left_alone() -> None:
    module, x = Skipping(1).eval(), torch.randn(1, 32, 8, 8)
    assert fold_concatenations(module, (x,)) is module
    assert not any(join.apart for join in module.joins)
