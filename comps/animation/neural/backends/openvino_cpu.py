"""Backends ``openvino``, ``openvino-bf16`` and ``openvino-int8``: OpenVINO on the CPU."""

from __future__ import annotations

from typing import Any, Literal

import openvino
import torch
from torch import Tensor

from comps.animation.neural.backend import Program, Task
from comps.animation.neural.backends.exporting import exported
from comps.core.errors import EngineUnavailableError


def build(task: Task, precision: Literal["f32", "bf16"]) -> OpenVinoProgram:
    """The network in float32 or, on processors that have its instructions, bfloat16."""
    core = openvino.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise EngineUnavailableError(
            "backend 'openvino-bf16' needs a processor with AVX-512 BF16 or AMX: choose 'openvino'"
        )
    model = openvino.convert_model(exported(task))
    name = "openvino" if precision == "f32" else "openvino-bf16"
    return OpenVinoProgram(name, _compile(core, model, task.threads, precision))


def build_int8(task: Task) -> OpenVinoProgram:
    """The network with weights and activations in int8, with ranges from the task's calibration."""
    from comps.animation.neural.backends.quantising import quantised_onnx

    core = openvino.Core()
    model = core.read_model(quantised_onnx(task).SerializeToString())
    return OpenVinoProgram("openvino-int8", _compile(core, model, task.threads, "f32"))


def _compile(core: Any, model: Any, threads: int, precision: str) -> Any:
    hints = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
    }
    return core.compile_model(model, "CPU", hints)


class OpenVinoProgram(Program):
    """A compiled model of OpenVINO."""

    def __init__(self, backend: str, compiled: Any) -> None:
        super().__init__(backend, torch.device("cpu"))
        self._request = compiled.create_infer_request()
        self._outputs = len(compiled.outputs)

    def __call__(self, *inputs: Tensor) -> Any:
        """See `Program`."""
        arrays = [each.detach().cpu().contiguous().numpy() for each in inputs]
        results = self._request.infer(arrays, share_inputs=True)
        outputs = tuple(torch.from_numpy(results[index]) for index in range(self._outputs))
        return outputs[0] if len(outputs) == 1 else outputs
