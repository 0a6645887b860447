from __future__ import annotations

import os
import pickle
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from comps.animation.neural.checkpoint import fill, read_state_dict, sha256_of  # noqa: E402
from comps.core.errors import EngineUnavailableError  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")]


class Small(nn.Module):
    """Two layers, one of them with buffers of both kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class Wrapped(nn.Module):
    """Runs code when torch.jit.load opens it."""

    def __init__(self) -> None:
        super().__init__()
        self.small = Small()
        self.secret = _RunsOnLoad()

    def forward(self, x: Tensor) -> Tensor:
        return self.small(x)


class _RunsOnLoad(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, bool]:
        return self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[Tensor, bool]) -> None:
        assert False, "code of the archive ran"  # noqa: B011, PT015

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.fixture
def state() -> dict[str, Tensor]:
    return Small().state_dict()


@pytest.fixture(autouse=True)
def _old_torchscript() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in expected)


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(EngineUnavailableError) as caught:
        read_state_dict(path, **options)
    assert str(path) in caught.value.message
    return caught.value.message


def test_safetensors(tmp_path: Path, state: dict[str, Tensor]) -> None:
    save_file(state, tmp_path / "w.safetensors")
    assert same(read_state_dict(tmp_path / "w.safetensors"), state)


@pytest.mark.parametrize("zipped", [True, False])
def test_bare_pickle_new_and_legacy(tmp_path: Path, state: dict[str, Tensor], zipped: bool) -> None:
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert same(read_state_dict(tmp_path / "w.pth"), state)


@pytest.mark.parametrize("section", ["params_ema", "params", "state_dict", "model"])
def test_sections_found_by_themselves(tmp_path: Path, state: dict[str, Tensor], section: str) -> None:
    torch.save({"global_step": 7, section: state, "optimizer": {"state": {}}}, tmp_path / "w.pth")
    assert same(read_state_dict(tmp_path / "w.pth"), state)


def test_named_sections_win_in_their_order(tmp_path: Path, state: dict[str, Tensor]) -> None:
    other = {key: value + 1 for key, value in state.items()}
    torch.save({"params": other, "net_recon": state, "late": other}, tmp_path / "w.pth")
    assert same(read_state_dict(tmp_path / "w.pth", sections=("absent", "net_recon", "late")), state)


def test_a_section_of_a_flat_file_is_a_prefix(tmp_path: Path, state: dict[str, Tensor]) -> None:
    flat = {f"generator.{key}": value for key, value in state.items()}
    save_file({**flat, "mapping.weight": torch.ones(1)}, tmp_path / "w.safetensors")
    assert same(read_state_dict(tmp_path / "w.safetensors", sections=("generator",)), state)


def test_module_prefix_is_dropped(tmp_path: Path, state: dict[str, Tensor]) -> None:
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "w.pth")
    assert same(read_state_dict(tmp_path / "w.pth"), state)


def test_a_key_with_and_without_module_is_refused(tmp_path: Path) -> None:
    torch.save({"module.a": torch.ones(1), "a": torch.ones(1)}, tmp_path / "w.pth")
    assert "twice" in refusal(tmp_path / "w.pth")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_floats_become_float32_and_integers_stay(tmp_path: Path, dtype: str) -> None:
    torch.save({"a": torch.ones(2, dtype=getattr(torch, dtype)), "n": torch.tensor(5)}, tmp_path / "w.pth")
    found = read_state_dict(tmp_path / "w.pth")
    assert found["a"].dtype == torch.float32
    assert found["n"].dtype == torch.int64


def archive(path: Path) -> dict[str, Tensor]:
    """Save a TorchScript archive whose opening by torch.jit.load fails, as code in it runs."""
    module = Wrapped().eval()
    torch.jit.script(module).save(str(path))
    with pytest.raises(torch.jit.Error, match="code of the archive ran"):
        torch.jit.load(str(path))
    return {f"small.{key}": value for key, value in module.small.state_dict().items()}


def test_torchscript_needs_consent_and_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    expected = archive(path)
    message = refusal(path)
    assert "TorchScript" in message
    assert "convert it to safetensors" in message
    found = read_state_dict(path, consent=True)
    assert same({key: value for key, value in found.items() if key.startswith("small.")}, expected)


def test_torchscript_of_known_hash_needs_no_consent(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.jit.script(Small().eval()).save(str(path))
    assert "conv.weight" in read_state_dict(path, known_sha256={sha256_of(path)})
    refusal(path, known_sha256={"0" * 64})


def test_traced_half_precision_torchscript_fills_the_network(tmp_path: Path) -> None:
    module = Small().eval()
    torch.jit.trace(module, torch.zeros(1, 3, 8, 8)).save(str(tmp_path / "w.pt"))
    filled = fill(Small(), read_state_dict(tmp_path / "w.pt", consent=True), "w.pt")
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(filled(x), module(x))


class Evil:
    """Unpickled without care it makes the file `mark`."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
def test_code_in_a_pickle_does_not_run(tmp_path: Path, state: dict[str, Tensor], form: str) -> None:
    path, mark = tmp_path / "w.pth", tmp_path / "mark"
    content = {"state_dict": state, "x": Evil(mark)}
    if form == "plain":
        path.write_bytes(pickle.dumps({"x": Evil(mark)}, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    message = refusal(path, consent=True)
    assert "mkdir" in message
    assert not mark.exists()
    torch.load(path, weights_only=False) if form != "plain" else pickle.loads(path.read_bytes())
    assert mark.exists(), "the file is harmless, so the test shows nothing"


@pytest.mark.parametrize("protocol", range(3, pickle.HIGHEST_PROTOCOL + 1))
def test_code_in_a_pickle_of_another_kind_than_torchs_does_not_run(tmp_path: Path, protocol: int) -> None:
    path, mark = tmp_path / "w.pth", tmp_path / "mark"
    path.write_bytes(pickle.dumps({"x": Evil(mark)}, protocol=protocol))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # its words for programmers are not shown
        assert "is refused" in refusal(path, consent=True)
    assert not mark.exists()


def test_code_in_the_pickle_of_a_torchscript_archive_does_not_run(tmp_path: Path) -> None:
    import zipfile

    path, mark = tmp_path / "w.pt", tmp_path / "mark"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("w/data.pkl", pickle.dumps({"a": Evil(mark)}, protocol=2))
        file.writestr("w/constants.pkl", b"")
        file.writestr("w/code/x.py", b"")
    assert "mkdir" in refusal(path, consent=True)
    assert not mark.exists()


def test_missing(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.pth")
    assert "does not exist" in refusal(tmp_path)


def saved(folder: Path, form: str) -> Path:
    path = folder / "w"
    state = {"a": torch.arange(1000.0), "b": torch.arange(50.0)}
    if form == "safetensors":
        save_file(state, path)
    elif form == "torchscript":
        torch.jit.script(Small().eval()).save(str(path))
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    return path


FORMS = ("safetensors", "zip", "legacy", "torchscript")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.95])
def test_truncated(tmp_path: Path, form: str, kept: float) -> None:
    path = saved(tmp_path, form)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    assert "download it again" in refusal(path, consent=True)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_one_kind_of_error(tmp_path: Path, form: str, data: st.DataObject) -> None:
    path = saved(tmp_path, form)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content), 700) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        found = read_state_dict(path, consent=True)
    except EngineUnavailableError:
        return
    assert all(isinstance(value, torch.Tensor) for value in found.values())


@pytest.mark.parametrize("content", [b"", b"<!doctype html><html>", b"version https://git-lfs.github.com/spec/v1\n"])
def test_other_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    assert "web page" in refusal(tmp_path / "w.pth")


def test_a_safetensors_header_of_absurd_length(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    refusal(tmp_path / "w")


def test_no_tensors(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "loss": 0.5}, tmp_path / "w.pth")
    assert "epoch" in refusal(tmp_path / "w.pth")
    torch.save([1, 2], tmp_path / "w.pth")
    assert "no weights" in refusal(tmp_path / "w.pth")


def test_too_large(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(5000)}, tmp_path / "w.pth")
    assert "more than" in refusal(tmp_path / "w.pth", max_bytes=1000)
    torch.save({"a": torch.zeros(1).expand(10**12)}, tmp_path / "w.pth")
    assert "more than" in refusal(tmp_path / "w.pth")


def test_a_compressed_bomb_is_not_unpacked(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("w/data.pkl", bytes(10_000_000))
    assert "unpacks" in refusal(tmp_path / "w.pth", max_bytes=1_000_000)


def test_complex_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2, dtype=torch.complex64)}, tmp_path / "w.pth")
    assert "complex" in refusal(tmp_path / "w.pth")


def fill_refusal(state: dict[str, Tensor]) -> str:
    with pytest.raises(EngineUnavailableError) as caught:
        fill(Small(), state, "w.pth")
    return caught.value.message


def test_fill(state: dict[str, Tensor]) -> None:
    module = Small().train()
    filled = fill(module, state, "w.pth")
    assert filled is module
    assert not filled.training
    assert not any(parameter.requires_grad for parameter in filled.parameters())
    assert same(filled.state_dict(), state)


def test_fill_takes_half_precision_and_old_files(state: dict[str, Tensor]) -> None:
    short = {key: value.half() for key, value in state.items() if "tracked" not in key}
    assert fill(Small(), short, "w.pth").conv.weight.dtype == torch.float32


def test_fill_takes_scalars_written_as_one_number(state: dict[str, Tensor]) -> None:
    old = {key: value.reshape(1) if "tracked" in key else value for key, value in state.items()}
    assert fill(Small(), old, "w.pth").norm.num_batches_tracked.shape == ()


def test_fill_of_a_module_on_the_meta_device(state: dict[str, Tensor]) -> None:
    with torch.device("meta"):
        module = Small()
    short = {key: value for key, value in state.items() if "tracked" not in key}
    filled = fill(module, short, "w.pth")
    reference = fill(Small(), state, "w.pth")
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(filled(x), reference(x))


def test_fill_names_what_differs(state: dict[str, Tensor]) -> None:
    other = {**state, "tail.weight": torch.ones(1), "conv.bias": torch.ones(9)}
    del other["norm.weight"]
    message = fill_refusal(other)
    assert "it lacks norm.weight" in message
    assert "besides tail.weight" in message
    assert "conv.bias is [9] instead of [4]" in message


def test_fill_refuses_integers_and_nan(state: dict[str, Tensor]) -> None:
    assert "int8" in fill_refusal({**state, "conv.weight": torch.ones_like(state["conv.weight"]).to(torch.int8)})
    assert "NaN" in fill_refusal({**state, "conv.bias": torch.full((4,), torch.nan)})
