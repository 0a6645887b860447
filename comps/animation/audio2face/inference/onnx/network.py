"""One network in ONNX Runtime: what computes it, and whether its inputs and outputs are what they must be."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as state

from comps.animation.audio2face.inference.choice import InferenceSettings, Provider
from comps.animation.audio2face.inference.onnx.shared_calls import Axes, SharedCalls, Tensors
from comps.core.errors import EngineUnavailableError

Shape = tuple[int | None, ...]
"""Lengths of axes: None counts the items of a call."""
Single = NDArray[np.float32]

FILE = "network.onnx"
CPU = "CPUExecutionProvider"

_PROVIDERS: Mapping[Provider, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": CPU,
}
_ERRORS: tuple[type[Exception], ...] = (
    *(found for found in vars(state).values() if isinstance(found, type) and issubclass(found, Exception)),
    RuntimeError,
    ValueError,
)
"""What ONNX Runtime raises; its exceptions have no base of their own."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Signature:
    """Names and shapes of a network's tensors."""

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]

    @property
    def axes(self) -> Axes:
        """Where each tensor counts its items."""
        return {name: shape.index(None) for name, shape in {**self.inputs, **self.outputs}.items()}

    def shape(self, name: str, items: int) -> tuple[int, ...]:
        """The shape of a tensor in a call of so many items."""
        return tuple(items if size is None else size for size in {**self.inputs, **self.outputs}[name])


@dataclass(frozen=True, slots=True)
class Device:
    """What computes a network: the settings, which card, whether in half precision (TensorRT), most items of a call."""

    settings: InferenceSettings
    device_id: int = 0
    half: bool = False
    most: int = 16


class Network:
    """A loaded network; thread safe.

    Args:
        file: the .onnx file.
        signature: what its tensors must be.
        device: what computes it.

    Raises:
        EngineUnavailableError: the file is missing or broken, its tensors are others, or the provider is not there.
    """

    def __init__(self, file: Path, signature: Signature, device: Device) -> None:
        self.file = file
        self.signature = signature
        self._session = _session(file, signature, device)
        fixed = _check(file, self._session, signature)
        self.most = fixed or device.most
        self._calls = SharedCalls(self._call, self.most, signature.axes)
        self._outputs = list(signature.outputs)

    @property
    def provider(self) -> str:
        """What computes it, as ONNX Runtime calls it."""
        return str(self._session.get_providers()[0])

    def run(self, feed: Tensors, items: int) -> dict[str, Single]:
        """Outputs for inputs of up to `most` items, shared with other threads; blocks.

        Raises:
            EngineUnavailableError: the call failed, or gave a value that is not finite.
        """
        outputs = self._calls.run(feed, items)
        for name, value in outputs.items():
            if not np.isfinite(value).all():
                raise EngineUnavailableError(f"{self.file}: the output '{name}' has a value that is not finite")
        return outputs

    def _call(self, feed: Tensors) -> dict[str, NDArray[Any]]:
        try:
            values = self._session.run(self._outputs, dict(feed))
        except _ERRORS as error:
            raise EngineUnavailableError(f"{self.file}: the network failed: {str(error)[:300]}") from error
        return dict(zip(self._outputs, values, strict=True))


def window_length(file: Path, name: str) -> int | None:
    """Length of the last axis of an input, as the file fixes it; None where it leaves it open.

    Raises:
        EngineUnavailableError: the file is broken or has no such input.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = _opened(file, options, [CPU])
    for tensor in session.get_inputs():
        if tensor.name == name and tensor.shape:
            return tensor.shape[-1] if isinstance(tensor.shape[-1], int) else None
    raise EngineUnavailableError(f"{file}: the network has no input '{name}'")


def _session(file: Path, signature: Signature, device: Device) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = device.settings.threads
    # Its threads would otherwise spin between calls and take the cores from everything else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    wanted = device.settings.provider
    session = _opened(file, options, _providers(file, signature, device))
    got = str(session.get_providers()[0])
    if wanted != "auto" and got != _PROVIDERS[wanted]:
        raise EngineUnavailableError(
            f"{_PROVIDERS[wanted]} cannot be used on this machine: its driver or libraries fail"
        )
    log.info("%s runs on %s", file, got)
    return session


def _opened(file: Path, options: onnxruntime.SessionOptions, providers: list[Any]) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=providers)
    except _ERRORS as error:
        raise EngineUnavailableError(f"{file}: no network that can be run: {str(error)[:300]}") from error


def _providers(file: Path, signature: Signature, device: Device) -> list[Any]:
    """The providers to try, first the fastest, with the CPU for what they leave out."""
    there = onnxruntime.get_available_providers()
    wanted = device.settings.provider
    if wanted != "auto" and _PROVIDERS[wanted] not in there:
        raise EngineUnavailableError(
            f"provider '{wanted}' needs a build of ONNX Runtime that has it: install it with  pip install onnxruntime-gpu"
        )
    chosen: list[Provider] = ["tensorrt", "cuda", "cpu"] if wanted == "auto" else [wanted, "cpu"]
    options: dict[Provider, dict[str, Any]] = {
        "tensorrt": _tensorrt(file, signature, device),
        "cuda": {"device_id": device.device_id},
        "cpu": {},
    }
    return [(_PROVIDERS[name], options[name]) for name in dict.fromkeys(chosen) if _PROVIDERS[name] in there]


def _tensorrt(file: Path, signature: Signature, device: Device) -> dict[str, Any]:
    """Options of TensorRT; engines are kept beside the network, as building one takes minutes."""
    profile = {
        f"trt_profile_{kind}_shapes": ",".join(
            f"{name}:{'x'.join(map(str, signature.shape(name, items)))}" for name in signature.inputs
        )
        for kind, items in (("min", 1), ("opt", min(10, device.most)), ("max", device.most))
    }
    return {
        "device_id": device.device_id,
        "trt_fp16_enable": device.half,
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(file.parent / "tensorrt"),
        **profile,
    }


def _check(file: Path, session: onnxruntime.InferenceSession, signature: Signature) -> int | None:
    """Compares the tensors; returns how many items the file fixes a call to, None where it leaves that open."""
    fixed: set[int] = set()
    for kind, have, want in (
        ("input", session.get_inputs(), signature.inputs),
        ("output", session.get_outputs(), signature.outputs),
    ):
        tensors = {tensor.name: tensor for tensor in have}
        missing = [name for name in want if name not in tensors]
        unknown = [name for name in tensors if name not in want] if kind == "input" else []
        if missing or unknown:
            raise EngineUnavailableError(
                f"{file}: the {kind}s of the network are {', '.join(tensors)}; expected {', '.join(want)}"
            )
        for name, shape in want.items():
            fixed |= _check_tensor(file, tensors[name], shape)
    if fixed - {1}:
        raise EngineUnavailableError(f"{file}: the network takes exactly {max(fixed)} items; expected any number, or 1")
    return 1 if fixed else None


def _check_tensor(file: Path, tensor: Any, want: Shape) -> set[int]:
    """Compares one tensor; the number of items that it fixes, if it does."""
    have = list(tensor.shape)
    counted = {size for size, wanted in zip(have, want, strict=False) if wanted is None and isinstance(size, int)}
    pairs = zip(have, want, strict=False)
    fits = len(have) == len(want) and all(
        wanted is None or not isinstance(size, int) or size == wanted for size, wanted in pairs
    )
    if not fits or tensor.type != "tensor(float)":
        expected = ", ".join("any" if size is None else str(size) for size in want)
        found = ", ".join(str(size) for size in have)
        raise EngineUnavailableError(
            f"{file}: the tensor '{tensor.name}' is {tensor.type} [{found}]; expected tensor(float) [{expected}]"
        )
    return counted
