"""Backends ``openvino``, ``openvino-bf16`` and ``openvino-int8``: OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
    model = openvino.convert_model(exported(task, float32=precision == "f32"))
    name = "openvino" if precision == "f32" else "openvino-bf16"
    return OpenVinoProgram(name, partial(_compile, core, model, task.threads, precision))


def build_int8(task: Task) -> OpenVinoProgram:
    """The network with weights and activations in int8, with ranges from the task's calibration."""
    from comps.animation.neural.backends.quantising import quantised_onnx

    core = openvino.Core()
    model = core.read_model(quantised_onnx(task).SerializeToString())
    return OpenVinoProgram("openvino-int8", partial(_compile, core, model, task.threads, "f32"))


def _compile(core: Any, model: Any, threads: int, precision: str) -> Any:
    hints = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
    }
    return core.compile_model(model, "CPU", hints)


class OpenVinoProgram(Program):
    """A compiled model of OpenVINO, compiled anew after a call that failed."""

    def __init__(self, backend: str, compiling: Callable[[], Any]) -> None:
        super().__init__(backend, torch.device("cpu"))
        self._compiling = compiling
        self._request: Any = compiling().create_infer_request()

    def __call__(self, *inputs: Tensor) -> Any:
        """See `Program`."""
        arrays = [each.detach().cpu().contiguous().numpy() for each in inputs]
        request = self._request = self._request or self._compiled_anew()
        try:
            # Its `infer` returns the results of an earlier call when memory runs out; waiting raises.
            request.start_async(arrays, share_inputs=True)
            request.wait()
        except RuntimeError:
            # A compiled model in which memory once ran out keeps what it took and fails for ever.
            self.close()
            raise
        outputs = tuple(torch.from_numpy(tensor.data.copy()) for tensor in request.output_tensors)
        return outputs[0] if len(outputs) == 1 else outputs

    def close(self) -> None:
        """Free the compiled model and its memory."""
        self._request = None

    def _compiled_anew(self) -> Any:
        try:
            return self._compiling().create_infer_request()
        except RuntimeError as error:  # it could be compiled before
            raise MemoryError("there is not enough memory to compile the network again") from error
