"""One way to run a network, whatever runs it: `build` makes a `Program` of a module, as a `Plan` says.

    program = build(network, (mel, faces), Plan(backend="openvino-bf16"))
    pictures = program(mel, faces)

| backend | what it does | extra |
|---|---|---|
| ``eager`` | the module as it is, float32 | neural |
| ``folded`` | batch norms and residuals folded into convolutions, channels last, float32 | neural |
| ``winograd`` | ``folded``, convolutions that gain by it with fewer products (`quick_convolutions.py`): much memory | neural |
| ``int16`` | ``folded``, convolutions with whole numbers of 16 bits where that is quicker (VNNI) | neural |
| ``bf16x6`` | ``folded``, convolutions on AMX, where numbers are sums of three of bfloat16: as exact as float32 | neural |
| ``bf16x3`` | the same with sums of two, pictures between the layers in float16 | neural |
| ``bf16`` | batch norms folded into convolutions, channels last, bfloat16 | neural |
| ``compile`` | ``torch.compile`` of ``folded`` with frozen weights, made in the background | neural |
| ``onnxruntime`` | ONNX Runtime, float32 | onnx |
| ``openvino``, ``openvino-bf16`` | OpenVINO, float32 or bfloat16 | openvino |
| ``openvino-int8`` | OpenVINO, int8 weights and activations by calibration | openvino, onnx |
| ``cuda-graphs`` | float16, channels last, replayed CUDA graphs | neural |
| ``auto`` | the fastest of those that can run here and are accurate enough, measured once (`measure.py`) | – |

On NVIDIA cards torch computes float32 convolutions in TF32 unless ``torch.backends.cudnn.allow_tf32`` is False.
"""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from comps.animation.neural import device as devices
from comps.animation.neural.allocator import give_back_freed_memory
from comps.animation.neural.backend_name import BackendName
from comps.core.errors import AvatarError, EngineUnavailableError, UnknownChoiceError


@dataclass(frozen=True, slots=True)
class Plan:
    """How a network is to run.

    Args:
        backend: one of the table above.
        device: a name of `device.py`.
        threads: CPU threads of ONNX Runtime and OpenVINO; None takes torch's number.
        max_error: largest difference from eager float32 in any output value that ``auto`` accepts; 5e-3 is about one
            grey level of pictures in 0..1.
        cache: folder where ``auto`` keeps what it measured; None takes the user's cache folder.
    """

    backend: BackendName = "auto"
    device: str = "auto"
    threads: int | None = None
    max_error: float = 5e-3
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """What a backend gets to build from; see `build`."""

    module: nn.Module
    examples: tuple[Tensor, ...]
    device: torch.device
    threads: int
    calibration: Sequence[tuple[Tensor, ...]] = ()


class Program(ABC):
    """A network ready to be called. One call at a time, from any thread; `SharedBatch` sees to that.

    Attributes:
        backend: name of what runs it.
        device: where the outputs come to lie; inputs are best there too, but may lie anywhere.
    """

    def __init__(self, backend: str, device: torch.device) -> None:
        self.backend = backend
        self.device = device

    @abstractmethod
    def __call__(self, *inputs: Tensor) -> Any:
        """What the module returns, a tensor or a tuple of tensors; floating ones as float32.

        Args:
            inputs: as those of the module, in number and meaning; the first dimension is the batch and may differ
                from that of the examples.

        Raises:
            RuntimeError, MemoryError: wrong shapes, or memory ran out (`batching.is_out_of_memory` tells).
        """

    def close(self) -> None:
        """Free what it holds; it is not called afterwards."""


@dataclass(frozen=True, slots=True)
class BackendSpec:
    """One row of the table: its factory ``"package.module:function"``, device types it runs on, and pip extra."""

    factory: str
    devices: tuple[str, ...]
    extra: str
    options: dict[str, Any] = field(default_factory=dict)


_HERE = "comps.animation.neural.backends"
_ANY = ("cpu", "cuda", "xpu", "hpu")
BACKENDS: dict[str, BackendSpec] = {
    "eager": BackendSpec(f"{_HERE}.pytorch:eager", _ANY, "neural"),
    "folded": BackendSpec(f"{_HERE}.pytorch:folded", _ANY, "neural"),
    "winograd": BackendSpec(f"{_HERE}.pytorch:winograd", ("cpu",), "neural"),
    "int16": BackendSpec(f"{_HERE}.pytorch:int16", ("cpu",), "neural"),
    "bf16x6": BackendSpec(f"{_HERE}.pytorch:bf16x6", ("cpu",), "neural"),
    "bf16x3": BackendSpec(f"{_HERE}.pytorch:bf16x3", ("cpu",), "neural"),
    "bf16": BackendSpec(f"{_HERE}.pytorch:bf16", _ANY, "neural"),
    "compile": BackendSpec(f"{_HERE}.compiled:build", ("cpu", "cuda", "xpu"), "neural"),
    "onnxruntime": BackendSpec(f"{_HERE}.onnx_runtime:build", ("cpu",), "onnx"),
    "openvino": BackendSpec(f"{_HERE}.openvino_cpu:build", ("cpu",), "openvino", {"precision": "f32"}),
    "openvino-bf16": BackendSpec(f"{_HERE}.openvino_cpu:build", ("cpu",), "openvino", {"precision": "bf16"}),
    "openvino-int8": BackendSpec(f"{_HERE}.openvino_cpu:build_int8", ("cpu",), "openvino,onnx"),
    "cuda-graphs": BackendSpec(f"{_HERE}.cuda_graphs:build", ("cuda",), "neural"),
}


def build(
    module: nn.Module,
    examples: Sequence[Tensor],
    plan: Plan | None = None,
    *,
    calibration: Sequence[tuple[Tensor, ...]] = (),
) -> Program:
    """Make `module` ready to run as `plan` says. Blocks, for seconds up to a minute: on a service, in a thread.

    Args:
        module: takes and returns tensors whose first dimension is the batch; it is put into eval mode, but neither
            moved nor changed otherwise.
        examples: the inputs of one call, on the module's device, of the batch size that is most wanted and with values as they really come,
            since accuracy is judged by them.
        plan: None means ``Plan()``.
        calibration: inputs of further calls, from which ``openvino-int8`` takes the ranges of the activations; without
            them it takes `examples`, and ``auto`` does not consider it.

    Raises:
        UnknownChoiceError: no such backend or device.
        EngineUnavailableError: it cannot run here: a library (the message has the pip command), a card or an
            instruction set is missing, or the network cannot be translated for it.
    """
    plan = plan or Plan()
    if plan.backend != "auto" and plan.backend not in BACKENDS:
        raise UnknownChoiceError(
            f"there is no backend '{plan.backend}'; there are: auto, {', '.join(BACKENDS)}", param="backend"
        )
    threads = plan.threads or torch.get_num_threads()
    # Tensors made in inference mode can be neither exported nor compiled.
    inputs = tuple(example.clone() if example.is_inference() else example for example in examples)
    task = Task(module.eval(), inputs, devices.resolve(plan.device), threads, tuple(calibration))
    if plan.backend == "auto":
        from comps.animation.neural.measure import fastest

        program = fastest(task, plan)
    else:
        program = build_one(plan.backend, task)
    give_back_freed_memory()  # building takes more than running
    return program


def together(program: Program) -> Callable[[list[tuple[Tensor, ...]]], list[Any]]:
    """What a `SharedBatch` runs: from a list of inputs without a batch dimension to a list of such outputs.

    The outputs are views of one tensor per call, float32, on the program's device.
    """

    def run(items: list[tuple[Tensor, ...]]) -> list[Any]:
        outputs = program(*(torch.stack(each) for each in zip(*items, strict=True)))
        if isinstance(outputs, Tensor):
            return list(outputs.unbind())
        return list(zip(*(each.unbind() for each in outputs), strict=True))

    return run


def build_one(name: str, task: Task) -> Program:
    """The program of one backend; raises as `build` does."""
    spec = BACKENDS[name]
    if task.device.type not in spec.devices:
        raise EngineUnavailableError(
            f"backend '{name}' runs on {', '.join(spec.devices)}, not on {task.device.type}: choose another"
        )
    try:
        factory = cast("Callable[..., Program]", pkgutil.resolve_name(spec.factory))
        return factory(task, **spec.options)
    except AvatarError:
        raise
    except ImportError as error:
        raise EngineUnavailableError(
            f"backend '{name}' needs '{error.name or error}': install it with  pip install 'avatarchatbot[{spec.extra}]'"
        ) from error
    except Exception as error:  # each library raises its own, and none of them matters to the caller
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise EngineUnavailableError(f"backend '{name}' cannot run this network here: {reason}") from error
