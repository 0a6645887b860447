"""Convolutions of numbers as sums of bfloat16 give what convolutions give, and every machine without AMX is told."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from comps.animation.neural import amx, bfloat16_parts, folding, native  # noqa: E402
from comps.animation.neural.backend import Plan, build  # noqa: E402
from comps.animation.neural.bfloat16_parts import InFloat32, InParts, can_be_in_parts, in_parts, packed  # noqa: E402
from comps.animation.neural.measure import difference  # noqa: E402
from comps.core.errors import EngineUnavailableError  # noqa: E402
from tests.neural.runtime import emulation  # noqa: E402, F401
from tests.neural.runtime.networks import TwoInputs, inputs, trained  # noqa: E402

pytestmark = pytest.mark.torch

AMX = platform.system() == "Linux" and native.processor_flags() >= amx.NEEDED
needs_amx = pytest.mark.skipif(not AMX, reason="this processor has no AMX; that it is refused is tested")
COMPILES = platform.system() == "Linux" and platform.machine() == "x86_64" and bool(shutil.which("g++"))
needs_compiler = pytest.mark.skipif(not COMPILES, reason="no g++ here, or none for x86_64; that it is missed is tested")

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: nn.Conv2d(70, 50, 3, padding=1),
    "few channels, no bias": lambda: nn.Conv2d(5, 7, 3, padding=1, bias=False),
    "no padding": lambda: nn.Conv2d(40, 33, 3),
    "much padding": lambda: nn.Conv2d(40, 33, 3, padding=4),
    "oblong": lambda: nn.Conv2d(40, 30, (1, 7), padding=(0, 2)),
    "pointwise": lambda: nn.Conv2d(33, 65, 1),
    "transposed": lambda: nn.ConvTranspose2d(40, 24, 3, 2, 1, 1),
    "transposed, larger": lambda: nn.ConvTranspose2d(40, 24, 3),
    "transposed, four taps": lambda: nn.ConvTranspose2d(40, 24, 4, 2, 1),
    "transposed, three of three": lambda: nn.ConvTranspose2d(8, 9, 3, 3),
    "transposed, oblong": lambda: nn.ConvTranspose2d(40, 24, (3, 4), 2, 1, (1, 0)),
}


@needs_amx
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 4e-6), (torch.float16, 4e-3)])
@pytest.mark.parametrize("shape", [(2, 6, 7), (5, 1, 1), (1, 9, 40), (2, 70, 65)])
@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_gives_the_same(case: str, shape: tuple[int, int, int], dtype: torch.dtype, limit: float) -> None:
    if case in ("no padding", "oblong") and shape[1:] == (1, 1):
        pytest.skip("torch refuses it too")
    torch.manual_seed(0)
    layer = LAYERS[case]().eval()
    assert can_be_in_parts(layer)
    x = torch.randn(shape[0], layer.in_channels, *shape[1:]).to(dtype)
    with torch.inference_mode():
        made = InParts(layer, dtype)(x)  # type: ignore[arg-type]
        expected = layer.double()(x.double())
    assert made.dtype == dtype
    assert made.shape == expected.shape
    assert difference(expected, made) <= limit


@needs_amx
def test_errors_of_float32_stay_those_of_rounding() -> None:
    torch.manual_seed(1)
    layer, x = nn.Conv2d(512, 64, 3, padding=1), torch.randn(1, 512, 32, 32)
    with torch.inference_mode():
        direct, made = layer(x), InParts(layer)(x)
        expected = layer.double()(x.double())
    assert difference(expected, made) <= 5 * difference(expected, direct)


@needs_amx
def test_stretches_threads_and_layouts_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv2d(40, 70, 3, padding=1), torch.randn(3, 40, 33, 21)
    part = InParts(layer)
    whole = part(x)
    assert torch.equal(whole, part(x.contiguous(memory_format=torch.channels_last)))
    monkeypatch.setattr(amx, "_SCRATCH_BYTES", 1)  # the shortest stretches
    assert torch.equal(whole, part(x))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: 0)
        assert torch.equal(whole, part(x))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert torch.equal(whole, part(x))
    finally:
        torch.set_num_threads(before)


@needs_amx
def test_torch_computes_rightly_between_two_calls() -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv2d(64, 64, 3, padding=1).bfloat16(), torch.randn(4, 64, 24, 24).bfloat16()
    part, y = InParts(nn.Conv2d(64, 64, 3, padding=1)), torch.randn(4, 64, 24, 24)
    with torch.inference_mode():
        expected, own = layer(x), part(y)
        for _ in range(3):
            assert torch.equal(own, part(y))
            assert torch.equal(expected, layer(x)), "the shapes of its tiles were lost"


@needs_amx
def test_numbers_beyond_float16_become_its_largest_and_none_stays_none() -> None:
    layer = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    x = torch.tensor([60_000.0, -60_000.0, float("nan"), 1.0]).view(1, 1, 1, 4)
    made = InParts(layer, torch.float16)(x.half()).flatten().float()
    assert made[:2].tolist() == [65504.0, -65504.0]
    assert made[2].isnan()
    assert InParts(layer)(x).flatten()[2].isnan()


@needs_amx
@pytest.mark.parametrize("case", ["plain", "pointwise", "transposed"])
def test_infinity_and_no_number_give_what_float32_gives(case: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[case]().eval()
    x = torch.randn(1, layer.in_channels, 24, 40)
    x[0, 3, 2, 2], x[0, 0, 2, 20], x[0, 5, 10, 3] = float("inf"), -float("inf"), float("nan")
    x[0, 1, 18, 8], x[0, 2, 18, 9] = float("inf"), -float("inf")  # meet for some outputs, with either sign
    with torch.inference_mode():
        expected, made = layer(x), InParts(layer)(x)  # type: ignore[arg-type]
    assert expected.isposinf().any()
    assert expected.isneginf().any()
    assert torch.equal(expected.isnan(), made.isnan())
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5, equal_nan=True)


@needs_amx
def test_the_largest_numbers_stay_numbers() -> None:
    layer = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(layer.weight, 0.3)
    x = torch.tensor([torch.finfo(torch.bfloat16).max, torch.finfo(torch.float32).max]).view(1, 1, 1, 2)
    with torch.inference_mode():
        exact, beyond = InParts(layer)(x).flatten().tolist()
    assert exact == pytest.approx(0.3 * torch.finfo(torch.bfloat16).max, rel=1e-6)
    assert beyond > exact, "what float32 has beyond bfloat16 counts as infinite"


@needs_amx
def test_infinity_in_float16_is_its_largest_number() -> None:
    torch.manual_seed(0)
    layer = LAYERS["plain"]().eval()
    x = torch.randn(1, layer.in_channels, 12, 12).half()
    x[0, 3, 2, 2], x[0, 4, 2, 3] = float("inf"), -float("inf")
    with torch.inference_mode():
        made = InParts(layer, torch.float16)(x)  # type: ignore[arg-type]
        expected = layer(x.float().clamp(-65504, 65504))
    assert difference(expected, made) <= 2e-3 * float(expected.abs().max())


@pytest.mark.parametrize("make", [lambda: nn.BatchNorm2d(1), lambda: nn.Conv2d(1, 1, 1, 2)])
def test_layers_between_keep_within_float16(make: Callable[[], nn.Module]) -> None:
    layer = make().eval()
    nn.init.constant_(layer.weight, 2.0)
    nn.init.zeros_(layer.bias)
    x = torch.tensor([60_000.0, -60_000.0, float("nan")]).view(3, 1, 1, 1).half()
    made = InFloat32(layer)(x).flatten().float()
    assert made[:2].tolist() == [65504.0, -65504.0]
    assert made[2].isnan()


@needs_amx
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_no_pictures_give_none(dtype: torch.dtype) -> None:
    """In a process of its own, which a division by zero would end."""
    code = (
        "import tests.neural.runtime.emulation\n"
        "import torch; from torch import nn; from comps.animation.neural.bfloat16_parts import InParts\n"
        f"made = InParts(nn.Conv2d(5, 7, 3, padding=1), {dtype})(torch.zeros(0, 5, 8, 9, dtype={dtype}))\n"
        "print(made.dtype, list(made.shape))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=os.environ)
    assert found.stdout == f"{dtype} [0, 7, 8, 9]\n", (found.returncode, found.stderr)


@needs_amx
def test_wrong_inputs_are_an_error() -> None:
    part = InParts(nn.Conv2d(4, 4, 3))
    for x in (torch.zeros(1, 3, 8, 8), torch.zeros(1, 4, 8, 8).half(), torch.zeros(4, 8, 8), torch.zeros(1, 4, 2, 2)):
        with pytest.raises(RuntimeError):
            part(x)


class Rectified(nn.Module):
    """A ReLU that can go, and one whose input is read by others too."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(32, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)
        self.rectify, self.also = nn.ReLU(), nn.ReLU()
        self.shared = shared

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        z = self.also(self.second(self.rectify(y)))
        return z + y if self.shared else z


@needs_amx
@pytest.mark.parametrize("shared", [False, True])
def test_rectifiers_go_unless_others_read_what_they_read(shared: bool) -> None:
    torch.manual_seed(0)
    module, x = Rectified(shared).eval().requires_grad_(False), torch.randn(2, 32, 8, 8)
    expected = module(x)
    folded = folding.fold_rectifiers(in_parts(module, torch.float32), (x,))
    gone = [isinstance(each, nn.Identity) for each in (folded.rectify, folded.also)]
    assert gone == [not shared, not shared]
    assert difference(expected, folded(x)) <= 1e-5


@needs_amx
def test_in_float16_layers_with_weights_stay_in_float32() -> None:
    module = in_parts(trained(TwoInputs()), torch.float16)
    kinds = {name: type(part) for name, part in module.named_modules()}
    assert kinds["conv"] is kinds["last"] is kinds["up.0"] is InParts
    assert kinds["speech"] is kinds["bn"] is InFloat32
    assert module.speech.layer.weight.dtype == torch.float32
    assert module(*(each.half() for each in inputs(2))).dtype == torch.float16


@needs_amx
def test_layers_that_fill_little_of_a_block_stay_in_float32() -> None:
    module = in_parts(nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 64, 3), nn.Conv2d(64, 3, 1)), torch.float32)
    assert [type(part) for part in module] == [nn.Conv2d, InParts, nn.Conv2d]


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 3, stride=2),
        nn.Conv2d(4, 4, 3, dilation=2),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 17),
        nn.Conv3d(4, 4, 3),
        nn.ConvTranspose2d(4, 4, 3, 2),
        nn.ConvTranspose2d(4, 4, 2, 3, output_padding=1),
        nn.ConvTranspose2d(4, 4, 3, 1, 2),
        nn.ConvTranspose2d(4, 4, 4, (1, 2)),
        nn.Linear(4, 4),
    ],
)
def test_other_layers_are_left_alone(layer: nn.Module) -> None:
    assert not can_be_in_parts(layer)


@pytest.mark.parametrize(("parts", "limit"), [(1, 2.0**-8), (2, 2.0**-16), (3, 2.0**-24)])
def test_parts_add_up_to_the_weights(parts: int, limit: float) -> None:
    torch.manual_seed(0)
    weights = torch.randn(40, 3, 70)
    tiles = packed(weights, parts)
    assert tiles.shape == (2, 3, 3, parts, 2, 16, 16, 2)
    assert tiles.dtype == torch.bfloat16
    again = tiles.double().sum(3).permute(0, 3, 5, 1, 2, 4, 6).reshape(64, 3, 96)
    assert difference(again[40:], torch.zeros(24, 3, 96)) == difference(again[..., 70:], torch.zeros(64, 3, 26)) == 0
    assert float(((again[:40, :, :70] - weights) / weights).abs().max()) <= limit


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As on a first start, with an own cache, on a processor that has all that is needed."""
    flags = tmp_path / "cpuinfo"
    flags.write_text(f"flags\t\t: fpu {' '.join(sorted(amx.NEEDED))}\n")
    monkeypatch.setattr(native, "CPU_INFO", flags)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(bfloat16_parts, "matrix_unit", amx.MatrixUnit)
    monkeypatch.setattr("comps.animation.neural.backends.pytorch.matrix_unit", amx.MatrixUnit)
    return tmp_path


def message(name: str = "bf16x6") -> str:
    with pytest.raises(EngineUnavailableError) as caught:
        build(trained(TwoInputs()), inputs(2), Plan(name, "cpu"))  # type: ignore[arg-type]
    return caught.value.message


@pytest.mark.parametrize("name", ["bf16x6", "bf16x3"])
def test_a_processor_without_the_unit(name: str, anew: Path) -> None:
    (anew / "cpuinfo").write_text("flags : fpu avx2 avx512f avx512bw avx512vl avx512_bf16\n")
    assert "AMX" in message(name)
    assert "amx_bf16, amx_tile" in message(name)


def test_another_system(anew: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (anew / "cpuinfo").unlink()
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert "Linux" in message()


def test_no_compiler(anew: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(anew))
    monkeypatch.delenv("CXX", raising=False)
    assert "g++" in message()


def use_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    compiler = folder / "compiler"
    compiler.write_text(f"#!/bin/sh\n{script}\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    return compiler


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo '  ' >&2; exit 3", "status 3"),
        ("echo 'In file included from a' >&2; echo 'a:1: error: no such type' >&2; exit 1", "a:1: error: no such type"),
        ("printf '\\377 broken\\n' >&2; exit 1", "broken"),
        ("kill -9 $$", "status -9"),
        ("echo warned >&2; sleep 30; true", "not done after 1 s"),
    ],
)
def test_what_the_compiler_says(script: str, reason: str, anew: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "sleep" in script:
        monkeypatch.setattr(native, "_LONGEST_BUILD_S", 1.0)
    use_compiler(anew, monkeypatch, script)
    assert reason in message()


def test_a_compiler_that_takes_too_long_leaves_no_program_behind(anew: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_LONGEST_BUILD_S", 1.0)
    use_compiler(anew, monkeypatch, f"sleep 30 & echo $! > {anew}/started; wait")
    assert "not done" in message()
    state = Path(f"/proc/{(anew / 'started').read_text().strip()}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] in "ZX"


@pytest.mark.parametrize("named", ["gone++", "'gone++' -m64", "'unclosed"])
def test_a_named_compiler_that_is_not_there(named: str, anew: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", named)
    assert "CXX" in message()
    assert named.split()[0].strip("'") in message()


def test_a_failure_is_not_tried_again(anew: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_compiler(anew, monkeypatch, f"echo tried >> {anew}/tries; exit 1")
    amx.matrix_unit.forget()
    try:
        for _ in range(2):
            with pytest.raises(EngineUnavailableError, match="cannot build"):
                amx.matrix_unit()
    finally:
        amx.matrix_unit.forget()
    assert (anew / "tries").read_text() == "tried\n"


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where a library comes to lie; nothing is there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    return tmp_path / "cache" / "avatarchatbot" / "native"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library as g++ builds it."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.delenv("CXX", raising=False)
        amx.library()
    (file,) = folder.rglob("*.so")
    return file


def put(content: bytes, folder: Path, built: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True)
    file = folder / built.name
    file.write_bytes(content)
    file.chmod(0o700)
    return file


@needs_compiler
def test_it_compiles_and_loads_on_any_processor(built: Path) -> None:
    library = amx.ctypes.CDLL(str(built))
    assert library.amx_permit
    assert library.amx_convolve
    assert built.stat().st_mode & 0o777 == built.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in built.parent.iterdir()] == [built.name]


@needs_compiler
def test_the_library_is_on_the_disk_before_it_has_its_name(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda _: named.append(any(own_cache.glob("*.so"))))
    amx.library()
    assert named == [False]


@needs_compiler
def test_a_library_that_is_there_needs_no_compiler(
    own_cache: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(built.read_bytes(), own_cache, built)
    monkeypatch.setenv("PATH", "")
    assert amx.library().amx_convolve
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.999"))
    with pytest.raises(EngineUnavailableError, match=r"g\+\+"):
        amx.library()


@needs_compiler
@pytest.mark.parametrize("content", [b"", b"\x7fELF no more", b"\0" * 70_000])
def test_a_library_that_does_not_load_is_built_again(content: bytes, own_cache: Path, built: Path) -> None:
    file = put(content, own_cache, built)
    assert amx.library().amx_convolve
    assert file.stat().st_size == built.stat().st_size


def test_what_does_not_load_even_when_new_is_told(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_cache.parent.mkdir(parents=True)
    use_compiler(own_cache.parent, monkeypatch, 'while [ "$1" != -o ]; do shift; done; echo nothing > "$2"')
    with pytest.raises(EngineUnavailableError, match=r"amx-\w+\.so"):
        amx.library()


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
@pytest.mark.parametrize("which", ["folder", "file"])
def test_code_that_others_may_change_is_not_run(
    which: str, mode: int, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_cache.mkdir(mode=0o700, parents=True)
    use_compiler(own_cache.parent, monkeypatch, "exit 1")
    path = own_cache if which == "folder" else own_cache / library_name(own_cache)
    path.chmod(mode)
    with pytest.raises(EngineUnavailableError, match="written by others") as caught:
        amx.library()
    assert f" {path}: " in caught.value.message


@pytest.mark.parametrize("which", ["folder", "file"])
def test_code_of_another_user_is_not_run(which: str, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_cache.mkdir(mode=0o700, parents=True)
    path = own_cache if which == "folder" else own_cache / library_name(own_cache)
    owner, stat = os.getuid() + 1, Path.stat

    def another(self: Path, **options: bool) -> os.stat_result:
        found = stat(self, **options)
        return os.stat_result((*found[:4], owner, *found[5:])) if self == path else found

    monkeypatch.setattr(Path, "stat", another)
    with pytest.raises(EngineUnavailableError, match=f"another user .{owner}.") as caught:
        amx.library()
    assert f" {path}: " in caught.value.message


def library_name(folder: Path) -> str:
    """Of an empty file that is put where the library is looked for."""
    looked_for: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native.NativeCode, "_from_earlier", lambda self, file: looked_for.append(file) or object())
        amx.library()
    looked_for[0].write_bytes(b"")
    return looked_for[0].name


def test_a_folder_that_cannot_be_made(own_cache: Path) -> None:
    own_cache.parents[1].write_text("a file")
    with pytest.raises(EngineUnavailableError, match=str(own_cache)):
        amx.library()


@needs_compiler
def test_what_killed_builds_and_old_versions_left_is_removed(own_cache: Path) -> None:
    own_cache.mkdir(mode=0o700, parents=True)
    long_ago = time.time() - 3600
    for name, when in (("tmpold", long_ago), ("tmpnew", time.time())):
        (own_cache / name).mkdir()
        (own_cache / name / "amx.so").write_bytes(b"half")
        os.utime(own_cache / name, (when, when))
    for number in range(12):
        (own_cache / f"amx-{number}.so").write_bytes(b"")
        os.utime(own_cache / f"amx-{number}.so", (long_ago + number, long_ago + number))
    amx.library()
    assert [each.name for each in own_cache.iterdir() if each.is_dir()] == ["tmpnew"]
    libraries = {each.name for each in own_cache.glob("*.so")}
    assert len(libraries) == native._MOST_LIBRARIES
    assert {f"amx-{number}.so" for number in range(5, 12)} < libraries


@needs_compiler
def test_a_compiler_with_arguments(own_cache: Path, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_cache.parent.mkdir(parents=True)
    seen = own_cache.parent / "seen"
    launcher = use_compiler(own_cache.parent, monkeypatch, f'echo "$@" > {seen}; exec "$@"')
    monkeypatch.setenv("CXX", f"'{launcher}' g++ -g0")
    assert amx.library().amx_convolve
    assert seen.read_text().startswith("g++ -g0 -std=c++17 ")


def test_a_compiler_that_is_too_old(anew: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_compiler(anew, monkeypatch, "echo \"unrecognized option '-mamx-bf16'\" >&2; exit 1")
    assert "GCC 11" in message()
    assert "-mamx-bf16" in message()
    assert not list((anew / "cache").rglob("*.so"))


@needs_amx
def test_the_library_is_built_once(anew: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = build(trained(TwoInputs()), inputs(2), Plan("bf16x6", "cpu"))
    assert program.backend == "bf16x6"
    assert len(list((anew / "cache").rglob("*.so"))) == 1
    monkeypatch.setattr(subprocess, "Popen", None)
    amx.MatrixUnit()


@needs_amx
def test_a_kernel_that_does_not_grant_the_unit(anew: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = amx.MatrixUnit()._library
    monkeypatch.setattr(library, "amx_permit", lambda: 1)
    monkeypatch.setattr(amx.ctypes, "CDLL", lambda _: library)
    assert "does not let" in message()


@needs_amx
def test_no_memory_for_the_scratch() -> None:
    """In a process of its own, whose address space is nearly used up."""
    code = (
        "import tests.neural.runtime.emulation\n"
        "import resource, torch; from torch import nn; from comps.animation.neural import amx\n"
        "from comps.animation.neural.bfloat16_parts import InParts\n"
        "part, x = InParts(nn.Conv2d(32, 32, 1)), torch.zeros(1, 32, 8, 8)\n"
        "part(x); amx._SCRATCH_BYTES = 1 << 34\n"
        "big = torch.zeros(1, 32, 2048, 2048).contiguous(memory_format=torch.channels_last)\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (3 << 28), -1))  # the output's half a GiB, not the scratch's\n"
        "try:\n    part(big)\nexcept MemoryError as error:\n    print('told:', error)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=os.environ)
    assert "told: there is no memory" in found.stdout, found.stderr
