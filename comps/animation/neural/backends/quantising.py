"""A network in int8: weights by channel, activations by the ranges seen in calibration.

ONNX Runtime's static quantisation writes the scales into the ONNX graph (QuantizeLinear, DequantizeLinear), which
OpenVINO turns into int8 kernels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor

from comps.animation.neural.backend import Task
from comps.animation.neural.backends.exporting import onnx_model

# Those between the convolutions too: otherwise their results go through float32, slower and, as the range is then
# taken before the ReLU, less exact.
_OPERATORS = ["Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Relu", "LeakyRelu", "Concat", "MaxPool"]


def quantised_onnx(task: Task) -> Any:
    """The quantised ``onnx.ModelProto``."""
    with tempfile.TemporaryDirectory(prefix="quantise-") as folder:
        plain, ready, made = (str(Path(folder) / name) for name in ("plain.onnx", "ready.onnx", "int8.onnx"))
        model = onnx_model(task, float32=False)
        names = [each.name for each in model.graph.input]
        onnx.save(model, plain)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            made,
            _Calls(names, task.calibration or (task.examples,)),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_OPERATORS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(made)


class _Calls(CalibrationDataReader):
    """Hands out the inputs of one call after the other."""

    def __init__(self, names: list[str], calls: tuple[tuple[Tensor, ...], ...] | Any) -> None:
        self._calls = self._arrays(names, calls)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """Arrays by input, None after the last call."""
        return next(self._calls, None)

    @staticmethod
    def _arrays(names: list[str], calls: Any) -> Iterator[dict[str, NDArray[Any]]]:
        for call in calls:
            yield {name: each.detach().cpu().numpy() for name, each in zip(names, call, strict=True)}
