"""Pictures between layers are float16 where both layers can read and give them, and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from comps.animation.neural import int16_products, quick_convolutions  # noqa: E402
from comps.animation.neural.backend import Plan, build  # noqa: E402
from comps.animation.neural.backends.pytorch import TorchProgram  # noqa: E402
from comps.animation.neural.concatenation import Concatenation  # noqa: E402
from comps.animation.neural.folding import fold_concatenations  # noqa: E402
from comps.animation.neural.halving import halve_pictures  # noqa: E402
from comps.animation.neural.int16_products import int16_code  # noqa: E402
from comps.animation.neural.int16_windows import Int16Windows  # noqa: E402
from comps.animation.neural.int16_winograd import Int16Winograd  # noqa: E402
from comps.animation.neural.measure import difference  # noqa: E402
from tests.neural.runtime.compiled import INT16_CASES, INT16_NAMES  # noqa: E402
from tests.neural.runtime.test_fused_winograd import FLAGS, needs_code  # noqa: E402

pytestmark = [pytest.mark.torch, needs_code]

LARGEST = 65504.0


@pytest.fixture(params=["avx512f", "avx2"])
def instructions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The code as a processor runs it that has nothing newer."""
    if request.param not in FLAGS:
        pytest.skip(f"this processor has no {request.param}")
    options = tuple(each for each in int16_products._OPTIONS if f"-m{request.param}" in each[1])
    monkeypatch.setattr(int16_products, "_OPTIONS", options)
    int16_code.forget()
    yield
    int16_code.forget()


@pytest.mark.parametrize(("kind", "make", "shape"), INT16_CASES, ids=INT16_NAMES)
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
        for first in {1, shape[1] - 1} & set(range(1, shape[1])):
            left, right = x[:, :first].contiguous(), x[:, first:].contiguous()
            for parts in ((left, right), (left, right.float()), (left.float(), right)):
                # Sums of other lengths are rounded otherwise.
                assert difference(expected, layer(parts)) <= 1e-3 * float(expected.abs().max())


@pytest.mark.parametrize("kind", [Int16Winograd, Int16Windows])
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


def test_a_layer_for_larger_pictures_does_so_too() -> None:
    convolution = nn.ConvTranspose2d(1, 4, 3, bias=False)
    nn.init.ones_(convolution.weight)
    layer = Int16Windows(convolution)
    layer.halved = True
    with torch.inference_mode():
        for side in (1, 2):
            made = layer(torch.full((1, 1, side, side), 1e6))
            assert made.dtype == torch.float16
            assert float(made.max()) == LARGEST


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


class Watched(nn.Module):
    """Two layers, and something that is done with what the first gives."""

    def __init__(self, done: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.first, self.second, self.done = int16(3, 8), int16(8, 4), done

    def forward(self, x: Tensor) -> Tensor:
        made = self.first(x)
        self.done(made)
        shown: Tensor = self.second(made)
        return shown


@pytest.mark.parametrize(
    "asked",
    [
        lambda y: y.shape,
        lambda y: (y.size(1), y.dim(), y.stride(), y.numel(), len(y)),
        lambda y: (y.dtype, y.device, y.is_contiguous(), y.is_floating_point()),
    ],
)
def test_anyone_may_ask_for_a_pictures_size(asked: Callable[[Tensor], Any]) -> None:
    network = halve_pictures(Watched(asked).eval(), (torch.randn(1, 3, 6, 6),))
    assert network.first.halved
    assert not network.second.halved, "the caller reads it"


@pytest.mark.parametrize(
    "read",
    [
        lambda y: y + 1,
        lambda y: y.T if y.dim() == 2 else y.mT,
        lambda y: y.tolist(),
        lambda y: y.numpy(),
        lambda y: float(y.sum()),
        lambda y: torch.allclose(y, y),
        lambda y: torch.zeros_like(y).copy_(y),
        lambda y: torch.zeros(y.shape).__setitem__(slice(0, 1), y),
        lambda y: nn.functional.interpolate(y, scale_factor=2.0),
        lambda y: torch.cat([y, y], dim=1),
        lambda y: y.mul_(2),
    ],
)
def test_numbers_that_others_read_stay_float32(read: Callable[[Tensor], Any]) -> None:
    network = halve_pictures(Watched(read).eval(), (torch.randn(1, 3, 6, 6),))
    assert not network.first.halved


@pytest.mark.filterwarnings("ignore:.*jit.script. is deprecated:DeprecationWarning")
def test_what_fails_with_float16_is_left_in_float32(caplog: pytest.LogCaptureFixture) -> None:
    """A scripted reader, which is not seen."""
    network = nn.Sequential(int16(3, 8), int16(8, 8), torch.jit.script(nn.Conv2d(8, 4, 1))).eval()
    x = torch.randn(2, 3, 6, 6)
    with torch.inference_mode(), caplog.at_level(logging.WARNING):
        expected = network(x)
        assert torch.equal(halve_pictures(network, (x,))(x), expected)
    assert "keeps its pictures in float32" in caplog.text


def test_readers_of_whole_batches_are_seen() -> None:
    class Batched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = int16(3, 8), int16(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            made = self.first(x)
            shown: Tensor = self.second(made)
            return shown if len(x) == 1 else shown + made.mean()

    assert not halve_pictures(Batched().eval(), (torch.randn(4, 3, 6, 6),)).first.halved


def test_outputs_of_other_types_are_compared_too() -> None:
    class Masking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = int16(3, 8), int16(8, 4)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            return self.second(self.first(x)), x > 0, (255 * x).to(torch.uint8), x[:0]

    network = halve_pictures(Masking().eval(), (torch.rand(2, 3, 6, 6),))
    assert network.first.halved


@pytest.mark.parametrize("scale", [1e6, 1e-6])
def test_pictures_that_float16_has_no_numbers_for_stay(scale: float, caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(2)
    layers = [nn.Conv2d(3, 8, 3), nn.Conv2d(8, 3, 3)]
    with torch.no_grad():
        layers[0].weight.mul_(scale)
        layers[0].bias.mul_(scale)
        layers[1].weight.mul_(1 / scale)
    network, x = nn.Sequential(*(Int16Windows(layer) for layer in layers)).eval(), torch.randn(1, 3, 9, 9)
    with torch.inference_mode(), caplog.at_level(logging.WARNING):
        expected = network(x)
        assert torch.equal(halve_pictures(network, (x,))(x), expected)
    assert not any(layer.halved for layer in network)
    assert "keeps its pictures in float32: float16 changes" in caplog.text


def test_the_backend_does_so_and_stays_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_convolutions, "is_quicker", lambda *_: True)
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 32, 3)
    ).eval()
    x = torch.randn(2, 32, 40, 40)
    program = cast("TorchProgram", build(network, (x,), Plan("int16", "cpu")))
    layers = [part for part in program.module.modules() if isinstance(part, Int16Winograd)]
    assert [part.halved for part in layers] == [True, True, False]
    with torch.inference_mode():
        expected = network(x)
    assert difference(expected, program(x)) <= 1.5e-2 * float(expected.std())
