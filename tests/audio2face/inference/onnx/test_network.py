"""Loading networks: files, tensors and providers that are not what they must be."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from comps.animation.audio2face.inference.onnx import network as module
from comps.animation.audio2face.inference.onnx.network import Device, Network, Signature, window_length
from comps.core.errors import EngineUnavailableError
from tests.audio2face.inference.onnx import published
from tests.audio2face.inference.onnx.streams import settings

SIGNATURE = Signature({"x": (None, 3)}, {"y": (None, 3)})


def identity(
    path: Path, inputs: Mapping[str, list[object]], outputs: Mapping[str, list[object]], kind: int = TensorProto.FLOAT
) -> Path:
    """A graph that passes its inputs on."""
    nodes = [helper.make_node("Identity", [a], [b]) for a, b in zip(inputs, outputs, strict=True)]
    values = [[helper.make_tensor_value_info(n, kind, s) for n, s in group.items()] for group in (inputs, outputs)]
    graph = helper.make_graph(nodes, "identity", *values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), path)
    return path


def load(file: Path, signature: Signature = SIGNATURE, **values: object) -> Network:
    return Network(file, signature, Device(settings(file.parent, **values)))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return identity(tmp_path / "network.onnx", {"x": ["n", 3]}, {"y": ["n", 3]})


def test_a_good_network_runs_on_the_cpu(good: Path) -> None:
    network = load(good, provider="auto")
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(network.run({"x": values}, 2)["y"], values)
    assert network.provider == "CPUExecutionProvider"
    assert network.most == 16


def test_a_file_that_is_no_network_is_named(tmp_path: Path) -> None:
    file = tmp_path / "network.onnx"
    file.write_bytes(b"no network at all")
    with pytest.raises(EngineUnavailableError, match=r"network\.onnx: no network that can be run"):
        load(file)


def test_a_truncated_network_is_named(tmp_path: Path) -> None:
    file = tmp_path / "network.onnx"
    whole = published.regression_graph(published.regression_weights({})).SerializeToString()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EngineUnavailableError, match=r"network\.onnx: no network that can be run"):
        load(file)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({"a": ["n", 3]}, {"y": ["n", 3]}, "the inputs of the network are a; expected x"),
        ({"x": ["n", 3]}, {"b": ["n", 3]}, "the outputs of the network are b; expected y"),
        (
            {"x": ["n", 4]},
            {"y": ["n", 4]},
            r"the tensor 'x' is tensor\(float\) \[n, 4\]; expected tensor\(float\) \[any, 3\]",
        ),
        ({"x": ["n", 3, 1]}, {"y": ["n", 3, 1]}, r"'x' is tensor\(float\) \[n, 3, 1\]; expected"),
        ({"x": [7, 3]}, {"y": [7, 3]}, "takes exactly 7 items"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    tmp_path: Path, inputs: dict[str, list[object]], outputs: dict[str, list[object]], message: str
) -> None:
    file = identity(tmp_path / "network.onnx", inputs, outputs)
    with pytest.raises(EngineUnavailableError, match=rf"network\.onnx: .*{message}"):
        load(file)


def test_an_input_more_than_expected_is_refused(tmp_path: Path) -> None:
    file = identity(tmp_path / "network.onnx", {"x": ["n", 3], "z": ["n", 1]}, {"y": ["n", 3], "w": ["n", 1]})
    with pytest.raises(EngineUnavailableError, match="the inputs of the network are x, z; expected x"):
        load(file)


def test_other_kinds_of_numbers_are_refused(tmp_path: Path) -> None:
    file = identity(tmp_path / "network.onnx", {"x": ["n", 3]}, {"y": ["n", 3]}, TensorProto.FLOAT16)
    with pytest.raises(EngineUnavailableError, match=r"'x' is tensor\(float16\) \[n, 3\]; expected tensor\(float\)"):
        load(file)


def test_a_network_of_one_item_takes_one_at_a_time(tmp_path: Path) -> None:
    assert load(identity(tmp_path / "network.onnx", {"x": [1, 3]}, {"y": [1, 3]})).most == 1


def test_a_call_that_fails_names_the_file(good: Path) -> None:
    with pytest.raises(EngineUnavailableError, match=r"network\.onnx: the network failed"):
        load(good).run({"x": np.zeros((1, 5), np.float32)}, 1)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
@pytest.mark.skipif(len(onnxruntime.get_available_providers()) > 2, reason="this ONNX Runtime knows cards")
def test_a_provider_that_is_not_there_names_the_package(good: Path, provider: str) -> None:
    with pytest.raises(EngineUnavailableError, match=f"provider '{provider}' needs .*pip install onnxruntime-gpu"):
        load(good, provider=provider)


def test_a_card_is_asked_first_and_the_cpu_last(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = ["CPUExecutionProvider", "TensorrtExecutionProvider", "CUDAExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    device = Device(settings(good.parent, provider="auto"), device_id=2, half=True, most=8)
    asked = dict(module._providers(good, SIGNATURE, device))
    assert list(asked) == ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    assert asked["CUDAExecutionProvider"] == {"device_id": 2}
    assert asked["TensorrtExecutionProvider"] == {
        "device_id": 2, "trt_fp16_enable": True, "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(good.parent / "tensorrt"), "trt_profile_min_shapes": "x:1x3",
        "trt_profile_opt_shapes": "x:8x3", "trt_profile_max_shapes": "x:8x3",
    }  # fmt: skip
    device = Device(settings(good.parent, provider="cuda"))
    assert [name for name, _ in module._providers(good, SIGNATURE, device)] == [
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    ]


def test_what_runs_it_is_logged(good: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        load(good)
    assert "network.onnx runs on CPUExecutionProvider" in caplog.text


def test_the_length_of_a_window_is_the_files(tmp_path: Path) -> None:
    fixed = identity(tmp_path / "a.onnx", {"x": ["n", 77]}, {"y": ["n", 77]})
    open_ended = identity(tmp_path / "b.onnx", {"x": ["n", "m"]}, {"y": ["n", "m"]})
    assert window_length(fixed, "x") == 77
    assert window_length(open_ended, "x") is None
    with pytest.raises(EngineUnavailableError, match="no input 'z'"):
        window_length(fixed, "z")
