from __future__ import annotations

import subprocess
import sys
import types

import pytest

from comps.animation.neural import device
from comps.core.errors import EngineUnavailableError, UnknownChoiceError


def test_importing_it_imports_no_stack() -> None:
    code = (
        "import sys, comps.animation.neural.device, comps.animation.neural.batching, comps.animation.neural.allocator;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'habana_frameworks', 'openvino', 'onnxruntime')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.torch
class TestWithTorch:
    def test_cpu_and_auto(self) -> None:
        import torch

        assert device.resolve("cpu") == torch.device("cpu")
        if not torch.cuda.is_available() and not torch.xpu.is_available():
            assert device.resolve("auto") == torch.device("cpu")

    @pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:-1", "cpu:0", "cuda:1:2", "CUDA"])
    def test_unknown_names(self, name: str) -> None:
        with pytest.raises(UnknownChoiceError, match="auto, cpu, cuda"):
            device.resolve(name)

    @pytest.mark.parametrize(
        ("name", "needs"),
        [("cuda:999", "NVIDIA|counted"), ("rocm:999", "ROCm"), ("xpu:999", "Intel GPU"), ("hpu:999", "habana")],
    )
    def test_absent_cards(self, name: str, needs: str) -> None:
        with pytest.raises(EngineUnavailableError, match=needs):
            device.resolve(name)

    def test_rocm_is_cuda_to_torch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch

        monkeypatch.setattr(torch.version, "hip", "6.4", raising=False)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        assert device.resolve("rocm:1") == torch.device("cuda", 1)
        assert device.resolve("auto") == torch.device("cuda", 0)
        with pytest.raises(EngineUnavailableError, match="there are 2"):
            device.resolve("cuda:2")

    def test_gaudi_is_imported_only_when_looked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch

        hpu = types.ModuleType("habana_frameworks.torch.hpu")
        hpu.is_available = lambda: True  # type: ignore[attr-defined]
        hpu.device_count = lambda: 1  # type: ignore[attr-defined]
        monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: object())
        monkeypatch.setitem(sys.modules, "habana_frameworks.torch.hpu", hpu)
        monkeypatch.setitem(sys.modules, "habana_frameworks", types.ModuleType("habana_frameworks"))
        monkeypatch.setitem(sys.modules, "habana_frameworks.torch", types.ModuleType("habana_frameworks.torch"))
        assert device.resolve("hpu") == torch.device("hpu", 0)

    def test_the_processor_has_a_name(self) -> None:
        import torch

        assert device.describe(torch.device("cpu"))


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineUnavailableError, match=r"avatarchatbot\[neural\]"):
        device.resolve("cpu")
