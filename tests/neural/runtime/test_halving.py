"""Pictures between layers are float16 where both layers can read and give them, and nowhere else."""

from __future__ import annotations

import logging
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from comps.animation.neural import fused_winograd, int16_products  # noqa: E402
from comps.animation.neural.backend import Plan, build  # noqa: E402
from comps.animation.neural.concatenation import Concatenation  # noqa: E402
from comps.animation.neural.folding import fold_concatenations  # noqa: E402
from comps.animation.neural.fused_winograd import FusedWinograd, fused_code  # noqa: E402
from comps.animation.neural.halving import halve_pictures  # noqa: E402
from comps.animation.neural.int16_products import int16_code  # noqa: E402
from comps.animation.neural.int16_windows import Int16Windows  # noqa: E402
from comps.animation.neural.int16_winograd import Int16Winograd  # noqa: E402
from comps.animation.neural.measure import difference  # noqa: E402
from tests.neural.runtime.layers import WINDOWS, WINOGRAD  # noqa: E402
from tests.neural.runtime.test_fused_winograd import FLAGS, needs_code  # noqa: E402

pytestmark = [pytest.mark.torch, needs_code]

LARGEST = 65504.0
CASES: list[Any] = [(FusedWinograd, *each) for each in WINOGRAD.values()]
CASES += [(Int16Winograd, *each) for each in WINOGRAD.values()]
CASES += [(Int16Windows, *each) for each in WINDOWS.values()]
NAMES = [*(f"winograd, {name}" for name in WINOGRAD), *(f"int16 winograd, {name}" for name in WINOGRAD)]
NAMES += [f"int16 windows, {name}" for name in WINDOWS]


@pytest.fixture(params=["avx512f", "avx2"])
def instructions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The code as a processor runs it that has nothing newer."""
    if request.param not in FLAGS:
        pytest.skip(f"this processor has no {request.param}")
    for module in (fused_winograd, int16_products):
        options = tuple(each for each in module._OPTIONS if f"-m{request.param}" in each[1])
        monkeypatch.setattr(module, "_OPTIONS", options)
    for code in (fused_code, int16_code):
        code.forget()
    yield
    for code in (fused_code, int16_code):
        code.forget()


@pytest.mark.parametrize(("kind", "make", "shape"), CASES, ids=NAMES)
def test_float16_in_and_out_is_float32_rounded(
    kind: Any, make: Any, shape: tuple[int, ...], instructions: None
) -> None:
    torch.manual_seed(0)
    layer, x = kind(make().eval()), torch.randn(shape).half()
    with torch.inference_mode():
        expected = layer(x.float())
        assert torch.equal(layer(x), expected)
        layer.halved = True
        assert torch.equal(layer(x), expected.half())
        for first in {1, shape[1] - 1} & set(range(1, shape[1])):  # one part of float16, the other of float32
            mixed = layer((x[:, :first].contiguous(), x[:, first:].float()))
            limit = 2e-3 + (1e-5 if kind is FusedWinograd else 3e-3)
            assert difference(expected, mixed) <= limit * float(expected.abs().max())


@pytest.mark.parametrize("kind", [FusedWinograd, Int16Winograd, Int16Windows])
@pytest.mark.parametrize("channels", [32, 5])
def test_numbers_beyond_float16_become_its_largest(kind: Any, channels: int, instructions: None) -> None:
    convolution = nn.Conv2d(1, channels, 3, padding=1, bias=False)
    nn.init.zeros_(convolution.weight)
    convolution.weight.data[:, :, 1, 1] = 1
    x = torch.zeros(2, 1, 4, 8)
    x[0, 0, 0, 0], x[0, 0, 0, 4] = 1e6, -1e6
    x[1, 0, 0, 0] = float("nan")
    layer = kind(convolution)
    layer.halved = True
    with torch.inference_mode():
        made = layer(x)
        assert torch.all(made[0, :, 0, 0] == LARGEST)
        assert torch.all(made[0, :, 0, 4] == -LARGEST)
        assert bool(made[1, :, 0, 0].isnan().all())
        layer.rectified = True
        assert torch.all(layer(x)[0, :, 0, 4] == 0)
        assert bool(layer(x)[1, :, 0, 0].isnan().all())


def int16(inputs: int, outputs: int, kernel: int = 3) -> Int16Windows:
    return Int16Windows(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2).eval())


class Network(nn.Module):
    """A layer before each kind of reader."""

    def __init__(self) -> None:
        super().__init__()
        self.to_layers = int16(3, 8)
        self.joined = Concatenation()
        self.first, self.second = int16(8, 8), int16(8, 16)
        self.reader = int16(24, 8)
        self.to_function = int16(8, 8)
        self.to_layer_and_sum = int16(8, 8)
        self.to_torch = int16(8, 8)
        self.torch = nn.Conv2d(8, 8, 1)
        self.last, self.beside, self.idle = int16(8, 4), int16(8, 2), int16(8, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.to_layers(x)
        x = self.reader(self.joined(self.first(x), self.second(x)))
        x = self.to_layer_and_sum(torch.tanh(self.to_function(x)))
        x = self.torch(self.to_torch(x) + x)
        return self.last(x), self.beside(x)


def test_only_what_such_layers_read_is_float16() -> None:
    torch.manual_seed(1)
    network, x = Network().eval(), torch.randn(2, 3, 9, 9)
    with torch.inference_mode():
        fold_concatenations(network, (x,))
        expected = network(x)
        found = halve_pictures(network, (x,))(x)
    halved = {name for name, part in network.named_children() if getattr(part, "halved", False)}
    assert halved == {"to_layers", "first", "second", "reader"}
    for before, after in zip(expected, found, strict=True):
        assert after.dtype == torch.float32
        assert 0 < difference(before, after) <= 2e-3 * float(before.abs().max())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


def test_a_layer_that_is_asked_for_its_size_only_is_no_other_reader() -> None:
    class Sized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = int16(3, 8), int16(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.first(x)
            assert y.shape[-1] == x.size(-1)
            assert y.dim() == 4
            made: Tensor = self.second(y)
            return made

    network = halve_pictures(Sized().eval(), (torch.randn(1, 3, 6, 6),))
    assert network.first.halved
    assert not network.second.halved


def test_pictures_that_float16_has_no_numbers_for_stay(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(2)
    network = nn.Sequential(int16(3, 8), int16(8, 8), int16(8, 3)).eval()
    x = 1e6 * torch.randn(1, 3, 9, 9)
    with torch.inference_mode(), caplog.at_level(logging.WARNING):
        expected = network(x)
        assert torch.equal(halve_pictures(network, (x,))(x), expected)
    assert not any(layer.halved for layer in network)
    assert "keeps its pictures in float32" in caplog.text


def test_the_backend_does_so_and_stays_near() -> None:
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 32, 3)
    ).eval()
    x = torch.randn(2, 32, 40, 40)
    program = build(network, (x,), Plan("int16", "cpu"))
    layers = [part for part in program.module.modules() if hasattr(part, "halved")]  # type: ignore[attr-defined]
    assert [part.halved for part in layers] == [True] * (len(layers) - 1) + [False]
    with torch.inference_mode():
        expected = network(x)
    assert difference(expected, program(x)) <= 1.5e-2 * float(expected.std())
