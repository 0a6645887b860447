"""Winograd's method in C++ gives what convolutions give, with each instruction set that this processor has."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from comps.animation.neural import fused_winograd, native, quick_convolutions  # noqa: E402
from comps.animation.neural.backend import Plan, build  # noqa: E402
from comps.animation.neural.folding import fold_rectifiers  # noqa: E402
from comps.animation.neural.fused_winograd import (  # noqa: E402
    FusedWinograd,
    can_be_fused,
    fused_code,
    is_fusible_here,
    outputs_of_a_tile,
)
from comps.animation.neural.measure import difference  # noqa: E402
from comps.core.errors import EngineUnavailableError  # noqa: E402
from tests.neural.runtime.layers import WINOGRAD  # noqa: E402

pytestmark = pytest.mark.torch

FLAGS = native.processor_flags()
RUNS = platform.system() == "Linux" and platform.machine() == "x86_64" and bool(shutil.which("g++"))
needs_code = pytest.mark.skipif(
    not RUNS or not {"avx2", "fma", "f16c"} <= FLAGS, reason="no AVX2 or no g++ here; that it is done without is tested"
)


@pytest.fixture
def anew() -> Iterator[None]:
    """Nothing is known of the code before the test, and nothing that it found afterwards."""
    fused_winograd.fused_code.forget()
    yield
    fused_winograd.fused_code.forget()


@pytest.fixture(params=["avx512f", "avx2"])
def instructions(anew: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The code as a processor runs it that has nothing newer."""
    if request.param not in FLAGS:
        pytest.skip(f"this processor has no {request.param}")
    options = tuple(each for each in fused_winograd._OPTIONS if each[0] == request.param)
    monkeypatch.setattr(fused_winograd, "_OPTIONS", options)
    return str(request.param)


@needs_code
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("case", WINOGRAD)
def test_a_layer_gives_the_same(case: str, threads: int, instructions: str) -> None:
    make, shape = WINOGRAD[case]
    torch.manual_seed(0)
    layer, x = make().eval(), torch.randn(shape)
    assert can_be_fused(layer)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            made = FusedWinograd(layer)(x)
            expected = layer.double()(x.double())
    finally:
        torch.set_num_threads(before)
    assert made.shape == expected.shape
    assert made.dtype == torch.float32
    assert difference(expected, made) <= 1e-5


@needs_code
@pytest.mark.parametrize("case", [name for name, (make, _) in WINOGRAD.items() if make().kernel_size[-1] == 3])
def test_tiles_of_three_outputs_give_the_same(case: str, instructions: str) -> None:
    make, shape = WINOGRAD[case]
    torch.manual_seed(0)
    layer, x = make().eval(), torch.randn(shape)
    with torch.inference_mode():
        made = FusedWinograd(layer, outputs=3)(x)
        assert difference(layer.double()(x.double()), made) <= 1e-5


@pytest.mark.parametrize(
    ("layer", "height", "width", "outputs"),
    [
        (nn.Conv2d(8, 8, 3, padding=1), 6, 6, 3),
        (nn.Conv2d(8, 8, 3, padding=1), 9, 6, 3),
        (nn.Conv2d(8, 8, 3, padding=1), 12, 12, 4),  # whole tiles of either: larger ones have fewer points
        (nn.Conv2d(8, 8, 3, padding=1), 9, 16, 4),
        (nn.Conv2d(8, 8, 3), 8, 8, 3),  # six pixels are left of eight
        (nn.Conv2d(8, 8, 3), 6, 6, 4),
        (nn.Conv3d(8, 8, (5, 3, 3), padding=(9, 1, 1)), 6, 6, 3),
        (nn.Conv2d(8, 8, 2, padding=1), 5, 5, 4),
        (nn.ConvTranspose2d(8, 8, 3, 2, 1, 1), 6, 6, 3),
        (nn.ConvTranspose2d(8, 8, 3, 2, 1, 1), 12, 12, 4),
    ],
)
def test_tiles_of_the_fewest_products_are_taken(layer: nn.Conv2d, height: int, width: int, outputs: int) -> None:
    assert outputs_of_a_tile(layer, height, width) == outputs


@needs_code
def test_memory_of_any_layout_and_alignment(instructions: str) -> None:
    torch.manual_seed(3)
    layer = nn.Conv2d(20, 32, 3, padding=1).eval()
    x = torch.randn(3, 20, 9, 10)
    with torch.inference_mode():
        fused, expected = FusedWinograd(layer), layer(x)
        odd = torch.empty(x.numel() + 1)[1:].view(3, 9, 10, 20).permute(0, 3, 1, 2)
        odd.copy_(x)
        for same in (x, x.contiguous(memory_format=torch.channels_last), odd):
            assert difference(fused(same), expected) <= 1e-5
        cropped = x[:, :, 2:, 3:]
        assert difference(fused(cropped), layer(cropped)) <= 1e-5
        assert fused(x[:0]).shape == (0, 32, 9, 10)


@needs_code
def test_negative_outputs_are_left_out_and_what_is_no_number_stays(instructions: str) -> None:
    torch.manual_seed(4)
    layer, x = nn.Conv2d(16, 20, 3, padding=1), torch.randn(1, 16, 9, 9)
    module = fold_rectifiers(nn.Sequential(FusedWinograd(layer), nn.ReLU()), (x,))
    assert isinstance(module[1], nn.Identity)
    with torch.inference_mode():
        assert difference(torch.relu(layer(x)), module(x)) <= 1e-5
        x[0, 3, 0, 0] = float("nan")
        assert bool(module(x)[0, :, :2, :2].isnan().all())
        assert not bool(module(x)[0, :, 4:].isnan().any())


@needs_code
def test_errors_stay_those_of_rounding_for_many_channels(instructions: str) -> None:
    torch.manual_seed(1)
    layer, x = nn.Conv2d(512, 64, 3, padding=1), torch.randn(1, 512, 32, 32)
    nn.init.normal_(layer.weight, std=(512 * 9) ** -0.5)
    with torch.inference_mode():
        direct, fused = layer(x), FusedWinograd(layer)(x)
        expected = layer.double()(x.double())
    assert difference(expected, fused) <= 4 * max(difference(expected, direct), 5e-6)


@needs_code
def test_what_it_cannot_take_is_told(instructions: str) -> None:
    fused = FusedWinograd(nn.Conv2d(16, 20, 3))
    wrong = [torch.zeros(1, 15, 8, 8), torch.zeros(1, 16, 8, 8, dtype=torch.float64), torch.zeros(16), torch.zeros(())]
    wrong += [
        torch.zeros(1, 16, 8, 8, dtype=torch.float16),
        torch.zeros(1, 16, 8, 8, device="meta"),
        torch.zeros(16, 8, 8),
        torch.zeros(1, 16, 1, 8, 8),
    ]
    for x in wrong:
        with pytest.raises(RuntimeError, match=r"instead of float32 \[n, 16, h, w\] on cpu"):
            fused(x)
    with pytest.raises(RuntimeError, match=r"instead of float32 \[n, 16, d, h, w\] on cpu"):
        FusedWinograd(nn.Conv3d(16, 16, 3, padding=1))(torch.zeros(16, 16, 8, 8))
    with pytest.raises(RuntimeError, match="smaller than the kernel"):
        fused(torch.zeros(1, 16, 2, 8))


@needs_code
@pytest.mark.parametrize("default", [torch.float64, torch.float16])
def test_the_type_that_torch_takes_by_default_does_not_matter(default: torch.dtype, instructions: str) -> None:
    torch.manual_seed(7)
    layer, x = nn.Conv2d(16, 20, 3, padding=1), torch.randn(1, 16, 9, 9)
    with torch.inference_mode():
        expected = layer(x)
        torch.set_default_dtype(default)
        try:
            made = FusedWinograd(layer)(x)
        finally:
            torch.set_default_dtype(torch.float32)
    assert made.dtype == torch.float32
    assert difference(expected, made) <= 1e-5


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 8, 3, 2),
        nn.Conv2d(8, 8, 5),
        nn.Conv2d(8, 8, (2, 3)),
        nn.Conv2d(8, 8, 3, dilation=2),
        nn.Conv2d(8, 8, 3, groups=2),
        nn.Conv2d(8, 8, 3, padding="same"),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(8, 8, 3, 2),
        nn.ConvTranspose2d(8, 8, 4, 2, 1),
        nn.ConvTranspose2d(8, 8, 3, 2, 1, (0, 1)),
        nn.ConvTranspose2d(8, 8, 3, 2, 1, 1, groups=2),
        nn.Conv1d(8, 8, 3),
        nn.Linear(8, 8),
    ],
    ids=str,
)
def test_other_layers_are_left_alone(layer: nn.Module) -> None:
    assert not can_be_fused(layer)


class Drawing(nn.Module):
    """A layer of each kind, with what is folded into them."""

    def __init__(self) -> None:
        super().__init__()
        wide = (nn.Conv2d(64, 96, 3, padding=1), nn.BatchNorm2d(96), nn.ReLU())
        larger = (nn.ConvTranspose2d(96, 64, 3, 2, 1, 1), nn.BatchNorm2d(64), nn.ReLU())
        self.layers = nn.Sequential(*wide, *larger, nn.Conv2d(64, 3, 1))

    def forward(self, x: Tensor) -> Tensor:
        drawn: Tensor = self.layers(x)
        return drawn


@needs_code
def test_the_backend_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_convolutions, "is_quicker", lambda *_: True)
    torch.manual_seed(5)
    module, x = Drawing().eval(), torch.randn(2, 64, 20, 24)
    program = build(module, (x,), Plan("winograd", "cpu"))
    kinds = [type(part) for part in program.module.modules() if not list(part.children())]
    assert kinds == [FusedWinograd, nn.Identity, nn.Identity] * 2 + [nn.Conv2d]
    with torch.inference_mode():
        assert difference(module(x), program(x)) <= 1e-5


class Masking(nn.Module):
    """Returns what is no number too."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.rectify = nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        drawn = self.rectify(self.layer(x))
        return drawn, x[:, :1] > 0


@needs_code
@pytest.mark.parametrize("quicker", [True, False])
def test_outputs_that_are_no_numbers_are_left_alone(quicker: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_convolutions, "is_quicker", lambda *_: quicker)
    torch.manual_seed(8)
    module, x = Masking().eval(), torch.randn(2, 64, 12, 12)
    drawn, mask = build(module, (x,), Plan("winograd", "cpu"))(x)
    with torch.inference_mode():
        assert difference(module(x)[0], drawn) <= 1e-5
        assert torch.equal(module(x)[1], mask)


def test_a_user_without_a_home_goes_on_without(anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert not is_fusible_here()
    module, x = Drawing().eval(), torch.randn(1, 64, 8, 8)
    with torch.inference_mode():
        assert difference(module(x), build(module, (x,), Plan("winograd", "cpu"))(x)) <= 1e-5


def test_a_machine_without_a_compiler_goes_on_without(
    anew: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    torch.manual_seed(6)
    module, x = Drawing().eval(), torch.randn(1, 64, 8, 8)
    with torch.inference_mode():
        assert difference(module(x), build(module, (x,), Plan("winograd", "cpu"))(x)) <= 1e-5
    assert not is_fusible_here()
    said = [record.getMessage() for record in caplog.records if "slower than they could be" in record.getMessage()]
    assert len(said) == 1, "once, and what to do"
    assert "g++" in said[0] or "AVX2" in said[0] or "Linux" in said[0]


@pytest.mark.parametrize("system", ["Linux", "Darwin"])
def test_other_machines_are_told(anew: None, system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text("flags : fpu sse4_2\n")
    monkeypatch.setattr(native, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "system", lambda: system)
    with pytest.raises(EngineUnavailableError, match=f"AVX2; here is {system}"):
        fused_code()


@needs_code
def test_no_memory_for_the_scratch() -> None:
    """In a process of its own, whose address space is nearly used up."""
    code = (
        "import resource, torch; from torch import nn\n"
        "from comps.animation.neural.fused_winograd import FusedWinograd\n"
        "torch.set_num_threads(1)\n"
        "part, x = FusedWinograd(nn.Conv2d(256, 64, 3, padding=1)), torch.zeros(1, 256, 40, 40)\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + (2 << 20),) * 2)\n"
        "try: part(x)\n"
        "except MemoryError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert "no memory for a convolution's scratch" in done.stdout
