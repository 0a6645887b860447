"""Backend ``onnxruntime``: ONNX Runtime on the CPU, float32."""

from __future__ import annotations

from typing import Any

import onnxruntime
import torch
from torch import Tensor

from comps.animation.neural.backend import Program, Task
from comps.animation.neural.backends.exporting import onnx_model


def build(task: Task) -> OnnxProgram:
    """Export, optimise and load the network."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads
    options.inter_op_num_threads = 1
    # Its threads would otherwise spin between calls and take the cores from everything else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = onnx_model(task, float32=True).SerializeToString()
    return OnnxProgram(onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]))


class OnnxProgram(Program):
    """A session of ONNX Runtime."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        super().__init__("onnxruntime", torch.device("cpu"))
        self._session = session
        self._names = [each.name for each in session.get_inputs()]

    def __call__(self, *inputs: Tensor) -> Any:
        """See `Program`."""
        feed = {name: each.detach().cpu().contiguous().numpy() for name, each in zip(self._names, inputs, strict=True)}
        try:
            results = self._session.run(None, feed)
        except Exception as error:  # its exceptions have no base of their own
            raise RuntimeError(str(error)) from error
        outputs = tuple(torch.from_numpy(each) for each in results)
        return outputs[0] if len(outputs) == 1 else outputs
