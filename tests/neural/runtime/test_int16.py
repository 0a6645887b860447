"""Products of whole numbers of 16 bits give nearly what convolutions give, the same with each instruction set there is."""

from __future__ import annotations

import copy
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from comps.animation.neural import int16_products, native, quick_convolutions  # noqa: E402
from comps.animation.neural.backend import Plan, build  # noqa: E402
from comps.animation.neural.folding import fold_rectifiers  # noqa: E402
from comps.animation.neural.fused_winograd import FusedWinograd, can_be_fused  # noqa: E402
from comps.animation.neural.int16_products import int16_code, packed  # noqa: E402
from comps.animation.neural.int16_windows import Int16Windows, can_be_windows  # noqa: E402
from comps.animation.neural.int16_winograd import Int16Winograd  # noqa: E402
from comps.animation.neural.measure import difference  # noqa: E402
from comps.core.errors import EngineUnavailableError  # noqa: E402
from tests.neural.runtime.layers import WINDOWS, WINOGRAD  # noqa: E402

pytestmark = pytest.mark.torch

FLAGS = native.processor_flags()
RUNS = platform.system() == "Linux" and platform.machine() == "x86_64" and bool(shutil.which("g++"))
needs_code = pytest.mark.skipif(
    not RUNS or not {"avx2", "fma", "f16c"} <= FLAGS, reason="no AVX2 or no g++ here; that it is refused is tested"
)
SETS = {"-".join(sorted(needed)): needed for needed, _ in int16_products._OPTIONS}


@pytest.fixture
def anew() -> Iterator[None]:
    """Nothing is known of the code before the test, and nothing that it found afterwards."""
    int16_code.forget()
    yield
    int16_code.forget()


@pytest.fixture(params=SETS)
def instructions(anew: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code as a processor runs it that has nothing newer."""
    needed = SETS[request.param]
    if not needed <= FLAGS:
        pytest.skip(f"this processor has no {request.param}")
    options = tuple(each for each in int16_products._OPTIONS if each[0] == needed)
    monkeypatch.setattr(int16_products, "_OPTIONS", options)


CASES = [(Int16Windows, can_be_windows, *each) for each in WINDOWS.values()]
CASES += [(Int16Winograd, can_be_fused, *each) for each in WINOGRAD.values()]
NAMES = [f"windows, {name}" for name in WINDOWS] + [f"winograd, {name}" for name in WINOGRAD]


@needs_code
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("kind", "can", "make", "shape"), CASES, ids=NAMES)
def test_a_layer_gives_nearly_the_same(
    kind: type[nn.Module],
    can: Callable[[nn.Module], bool],
    make: Callable[[], nn.Module],
    shape: tuple[int, ...],
    threads: int,
    instructions: None,
) -> None:
    torch.manual_seed(0)
    layer, x = make().eval(), torch.randn(shape)
    assert can(layer)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            made = kind(layer)(x)
            expected = layer.double()(x.double())
    finally:
        torch.set_num_threads(before)
    assert made.shape == expected.shape
    assert made.dtype == torch.float32
    # Of what outputs vary by; some five times the deviation that rounding has.
    limit = 6e-5 * (layer.weight[0].numel() ** 0.5 + 2) if kind is Int16Windows else 1.5e-2
    assert difference(expected, made) <= limit * float(expected.std())


def rounding(layer: nn.Conv2d, x: Tensor) -> float:
    """The most that rounding both factors of a pointwise layer's products can do."""
    steps = (0.5 / 32767 + 0.5 / 32767) * x.shape[1] ** 0.5
    return 1.1 * steps * float(layer.weight.flatten(1).norm(dim=1).max() * x.norm(dim=1).max())


@needs_code
@pytest.mark.parametrize("case", [name for name, (make, _) in WINOGRAD.items() if make().kernel_size[-1] == 3])
def test_tiles_of_three_outputs_give_nearly_the_same(case: str) -> None:
    make, shape = WINOGRAD[case]
    torch.manual_seed(0)
    layer, x = make().eval(), torch.randn(shape)
    with torch.inference_mode():
        made = Int16Winograd(layer, outputs=3)(x)
        expected = layer.double()(x.double())
    assert difference(expected, made) <= 1.5e-2 * float(expected.std())


@needs_code
def test_the_largest_sums_that_there_are_stay_in_their_bits(instructions: None) -> None:
    """All products of a sum are alike, the worst that Cauchy and Schwarz allow."""
    for depth in (2, 64, 4096):
        layer = nn.Conv2d(depth, 33, 1, bias=False)
        nn.init.constant_(layer.weight, 3.7)
        with torch.inference_mode():
            for value in (1.0, -1e-3, 1e4):
                x = torch.full((1, depth, 3, 3), value)
                assert difference(layer(x), Int16Windows(layer)(x)) <= rounding(layer, x)


@needs_code
def test_one_large_number_among_small_ones(instructions: None) -> None:
    torch.manual_seed(2)
    layer, x = nn.Conv2d(64, 8, 1, bias=False), torch.randn(1, 64, 2, 2) * 1e-3
    x[0, 5] = 1e3
    with torch.inference_mode():
        layer.weight[0, 7] = 50.0
        assert difference(layer(x), Int16Windows(layer)(x)) <= rounding(layer, x)


@needs_code
@pytest.mark.parametrize("kind", [Int16Windows, Int16Winograd])
def test_scales_nothing_and_what_is_no_number(kind: type[nn.Module], instructions: None) -> None:
    torch.manual_seed(4)
    layer, x = nn.Conv2d(16, 20, 3, padding=1), torch.randn(1, 16, 9, 9)
    quick = kind(layer)
    with torch.inference_mode():
        assert torch.equal(quick(torch.zeros(1, 16, 9, 9)), layer(torch.zeros(1, 16, 9, 9)))
        for scale in (1e-15, 1e12):  # a unit of its own for each row
            assert difference(layer(x * scale), quick(x * scale)) <= 1.5e-2 * float(layer(x * scale).std())
        tiny = quick(torch.full((1, 16, 9, 9), -1e-23)) - layer.bias[:, None, None]
        assert float(tiny.abs().max()) <= 1e-17, "their squares are nothing"
        for wrong in (float("nan"), float("inf")):
            x[0, 3, 0, 0] = wrong
            for quick.rectified in (False, True):  # it is no negative number that would be left out
                assert bool(quick(x)[0, :, :2, :2].isnan().all())
                assert bool(quick(x)[0, :, 4:].isfinite().all())


@needs_code
@pytest.mark.parametrize("kind", [Int16Windows, Int16Winograd])
def test_negative_outputs_are_left_out(kind: type[nn.Module], instructions: None) -> None:
    torch.manual_seed(4)
    layer, x = nn.Conv2d(16, 20, 3, padding=1), torch.randn(1, 16, 9, 9)
    module = fold_rectifiers(nn.Sequential(kind(layer), nn.ReLU()), (x,))
    assert isinstance(module[1], nn.Identity)
    with torch.inference_mode():
        assert difference(torch.relu(layer(x)), module(x)) <= 1e-2
        assert float(module(x).min()) == 0


@needs_code
def test_pictures_larger_than_a_pixel_are_made_by_the_layer_itself_and_rectified_too() -> None:
    torch.manual_seed(6)
    layer = nn.ConvTranspose2d(16, 20, 3)
    quick = copy.deepcopy(Int16Windows(layer))
    quick.rectified = True
    for x in (torch.randn(1, 16, 1, 1), torch.randn(1, 16, 1, 2)):
        with torch.inference_mode():
            assert difference(torch.relu(layer(x)), quick(x)) <= 2e-3
    places = [phase._places[0] for phase in quick._phases]
    assert len(places) == 9
    assert len({id(each) for each in places}) == 1, "windows of the same pixels are gathered once"


@needs_code
@pytest.mark.parametrize("kind", [Int16Windows, Int16Winograd])
def test_memory_of_any_layout_and_alignment(kind: type[nn.Module], instructions: None) -> None:
    torch.manual_seed(3)
    layer = nn.Conv2d(20, 32, 3, padding=1).eval()
    x = torch.randn(3, 20, 9, 10)
    with torch.inference_mode():
        quick, expected = copy.deepcopy(kind(layer)), layer(x)
        odd = torch.empty(x.numel() + 1)[1:].view(3, 9, 10, 20).permute(0, 3, 1, 2)
        odd.copy_(x)
        for same in (x, x.contiguous(memory_format=torch.channels_last), odd):
            assert difference(quick(same), expected) <= 1e-2
        cropped = x[:, :, 2:, 3:]
        assert difference(quick(cropped), layer(cropped)) <= 1e-2
        assert quick(x[:0]).shape == (0, 32, 9, 10)


@needs_code
def test_what_it_cannot_take_is_told() -> None:
    quick = Int16Windows(nn.Conv2d(16, 20, 3))
    wrong = [torch.zeros(1, 15, 8, 8), torch.zeros(1, 16, 8, 8, dtype=torch.float64), torch.zeros(16), torch.zeros(())]
    for x in [*wrong, torch.zeros(1, 16, 8, 8, device="meta"), torch.zeros(16, 8, 8)]:
        with pytest.raises(RuntimeError, match=r"instead of float32 or float16 \[n, 16, h, w\] on cpu"):
            quick(x)
    with pytest.raises(RuntimeError, match="smaller than the kernel"):
        quick(torch.zeros(1, 16, 2, 8))


@needs_code
@pytest.mark.parametrize("default", [torch.float64, torch.float16])
def test_the_type_that_torch_takes_by_default_does_not_matter(default: torch.dtype) -> None:
    torch.manual_seed(7)
    layer, x = nn.Conv2d(16, 20, 3, padding=1), torch.randn(1, 16, 9, 9)
    with torch.inference_mode():
        expected = layer(x)
        torch.set_default_dtype(default)
        try:
            made = [kind(layer)(x) for kind in (Int16Windows, Int16Winograd)]
        finally:
            torch.set_default_dtype(torch.float32)
    for each in made:
        assert each.dtype == torch.float32
        assert difference(expected, each) <= 1e-2


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 8, 3, dilation=2),
        nn.Conv2d(8, 8, 3, groups=2),
        nn.Conv2d(8, 8, 3, padding="same"),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(8, 8, 3, (2, 1)),
        nn.ConvTranspose2d(8, 8, 2, 3),
        nn.ConvTranspose2d(8, 8, 3, 2, 1, 1, groups=2),
        nn.Conv3d(8, 8, 3),
        nn.Linear(8, 8),
    ],
    ids=str,
)
def test_other_layers_are_left_alone(layer: nn.Module) -> None:
    assert not can_be_windows(layer)


@needs_code
def test_kernels_keep_their_numbers() -> None:
    torch.manual_seed(8)
    kernels = torch.randn(3, 7, 40, dtype=torch.float64)
    kernels[1, :, 4] = 0
    columns = int(int16_code().int16_columns())
    whole, units = packed(kernels.split(columns, -1))
    groups = -(-40 // columns)
    assert whole.shape == (3, groups, 4, columns, 2)
    assert whole.data_ptr() % 64 == 0
    numbers = whole.permute(0, 2, 4, 1, 3).reshape(3, 8, groups * columns)
    assert not numbers[:, 7].any()
    assert not numbers[:, :, 40:].any()
    assert difference(kernels, numbers[:, :7, :40] * units[:, None, :40].double()) <= 1e-4
    assert int(numbers.to(torch.int64).square().sum(1).max()) < 2**32


class Drawing(nn.Module):
    """Layers of each kind, with what is folded into them."""

    def __init__(self) -> None:
        super().__init__()
        wide = (nn.Conv2d(64, 96, 3, padding=1), nn.BatchNorm2d(96), nn.ReLU())
        larger = (nn.ConvTranspose2d(96, 64, 3, 2, 1, 1), nn.BatchNorm2d(64), nn.ReLU())
        self.layers = nn.Sequential(*wide, *larger, nn.Conv2d(64, 32, 3, 2), nn.ReLU(), nn.Conv2d(32, 3, 1))

    def forward(self, x: Tensor) -> Tensor:
        drawn: Tensor = self.layers(x)
        return drawn


@needs_code
def test_several_programs_at_once() -> None:
    """Each thread has its scratch."""
    torch.manual_seed(9)
    layers = [
        Int16Windows(nn.Conv2d(40, 24, 3)),
        Int16Winograd(nn.Conv2d(40, 200, 3)),
        FusedWinograd(nn.Conv2d(40, 9, 2)),
    ]
    x = torch.randn(2, 40, 30, 31)

    def made(index: int) -> Tensor:
        with torch.inference_mode():
            return cast("Tensor", layers[index % 3](x))

    expected = [made(index) for index in range(3)]
    with ThreadPoolExecutor(4) as pool:
        for index, found in enumerate(pool.map(made, range(60))):
            assert torch.equal(found, expected[index % 3])


@needs_code
@pytest.mark.parametrize("taken", [Int16Windows, Int16Winograd])
def test_the_backend_takes_what_is_quickest(taken: type[nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_convolutions, "is_quicker", lambda _, other, x: isinstance(other, taken))
    torch.manual_seed(5)
    module, x = Drawing().eval(), torch.randn(2, 64, 20, 24)
    program = build(module, (x,), Plan("int16", "cpu"))
    kinds = {type(part) for part in program.module.modules() if not list(part.children())}
    assert kinds == ({taken, nn.Identity} if taken is Int16Windows else {taken, nn.Identity, nn.Conv2d, nn.ReLU})
    with torch.inference_mode():
        assert difference(module(x), program(x)) <= 1e-2


def test_other_machines_are_told(anew: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text("flags : fpu avx2 f16c\n")
    monkeypatch.setattr(native, "CPU_INFO", tmp_path / "cpuinfo")
    x = torch.zeros(1, 64, 8, 8)
    with pytest.raises(
        EngineUnavailableError, match=r"'int16' needs Linux on .* AVX2; here is .* without fma: choose another$"
    ):
        build(Drawing().eval(), (x,), Plan("int16", "cpu"))


@needs_code
def test_a_machine_without_a_compiler_is_told(anew: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(EngineUnavailableError, match="a C\\+\\+ compiler is needed for backend 'int16'"):
        build(Drawing().eval(), (torch.zeros(1, 64, 8, 8),), Plan("int16", "cpu"))


@needs_code
@pytest.mark.parametrize("kind", ["windows", "winograd"])
def test_no_memory_for_the_scratch(kind: str) -> None:
    """In a process of its own, whose address space is nearly used up."""
    name = f"Int16{kind.capitalize()}"
    code = (
        "import resource, torch; from torch import nn\n"
        f"from comps.animation.neural.int16_{kind} import {name}\n"
        "torch.set_num_threads(1)\n"
        f"part, x = {name}(nn.Conv2d(4096, 8, 3, padding=1)), torch.zeros(1, 4096, 9, 9)\n"
        "x = x.contiguous(memory_format=torch.channels_last)\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + (1 << 19),) * 2)\n"
        "try: part(x)\n"
        "except MemoryError as error: print(error)\n"
    )
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}  # what was freed is not there to be taken again
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True, env=environment
    )
    assert "no memory for a convolution's scratch" in done.stdout
