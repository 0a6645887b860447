"""Backends ``eager``, ``folded``, ``winograd``, ``int16``, ``bf16``, ``bf16x3`` and ``bf16x6``: torch itself."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from comps.animation.neural.amx import matrix_unit
from comps.animation.neural.backend import Program, Task
from comps.animation.neural.bfloat16_parts import in_parts
from comps.animation.neural.folding import fold_batch_norms, fold_concatenations, fold_parts, fold_rectifiers
from comps.animation.neural.halving import halve_pictures
from comps.animation.neural.int16_products import int16_code
from comps.animation.neural.quick_convolutions import int16_ways, with_quick_convolutions


class TorchProgram(Program):
    """A module on a device, in one floating type.

    Args:
        backend: its name.
        module: already on `device` and in `dtype`.
        device: where it runs.
        dtype: floating type that inputs are turned into.
        channels_last: whether pictures are laid out with their channels innermost.
    """

    def __init__(
        self,
        backend: str,
        module: nn.Module,
        device: torch.device,
        *,
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
    ) -> None:
        super().__init__(backend, device)
        self.module = module
        self.dtype = dtype
        self._channels_last = channels_last

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> Any:
        """See `Program`."""
        return as_float32(self.module(*(self.prepared(each) for each in inputs)))

    def prepared(self, tensor: Tensor) -> Tensor:
        """An input as the module wants it."""
        dtype = self.dtype if tensor.is_floating_point() else tensor.dtype
        moved = tensor.to(self.device, dtype)
        if self._channels_last and moved.dim() == 4:
            return moved.contiguous(memory_format=torch.channels_last)
        return moved


def as_float32(outputs: Any) -> Any:
    """A tensor, or a tuple of the tensors in a sequence, floating ones as plain float32."""
    if isinstance(outputs, Tensor):
        return outputs.float().contiguous() if outputs.is_floating_point() else outputs
    return tuple(as_float32(each) for each in outputs)


def eager(task: Task) -> TorchProgram:
    """The module as it is; on the CPU not even copied."""
    module = task.module if task.device.type == "cpu" else copy.deepcopy(task.module).to(task.device)
    return TorchProgram("eager", module, task.device)


def folded(task: Task) -> TorchProgram:
    """Batch norms folded, channels last: exact to rounding."""
    return TorchProgram("folded", fold_parts(folded_module(task)), task.device, channels_last=True)


def winograd(task: Task) -> TorchProgram:
    """Folded, channels last, with fewer multiplications: exact to rounding."""
    module = with_quick_convolutions(fold_parts(folded_module(task)), task.examples)
    return _folded_into_layers(TorchProgram("winograd", module, task.device, channels_last=True), task)


def int16(task: Task) -> TorchProgram:
    """Folded, channels last, convolutions with products of whole numbers of 16 bits where they are quicker."""
    int16_code()  # raises where there is none, before anything takes time
    module = with_quick_convolutions(fold_parts(folded_module(task)), task.examples, ways=int16_ways)
    program = _folded_into_layers(TorchProgram("int16", module, task.device, channels_last=True), task)
    program.module = halve_pictures(program.module, [program.prepared(example) for example in task.examples])
    return program


def bf16(task: Task) -> TorchProgram:
    """Folded, channels last, weights and activations in bfloat16."""
    module = folded_module(task).to(torch.bfloat16)
    program = TorchProgram("bf16", module, task.device, dtype=torch.bfloat16, channels_last=True)
    program(*task.examples)  # a layer without a bfloat16 kernel shows now
    return program


def bf16x6(task: Task) -> TorchProgram:
    """Folded, convolutions on the matrix unit: exact to rounding."""
    return _in_parts("bf16x6", task, torch.float32)


def bf16x3(task: Task) -> TorchProgram:
    """The same with pictures in float16 between the layers."""
    return _in_parts("bf16x3", task, torch.float16)


def _in_parts(name: str, task: Task, dtype: torch.dtype) -> TorchProgram:
    matrix_unit()  # raises where there is none, before anything takes time
    module = in_parts(fold_parts(folded_module(task)), dtype)
    program = _folded_into_layers(TorchProgram(name, module, task.device, dtype=dtype, channels_last=True), task)
    program(*task.examples)  # a layer without a float16 kernel shows now
    return program


def _folded_into_layers(program: TorchProgram, task: Task) -> TorchProgram:
    inputs = [program.prepared(example) for example in task.examples]
    program.module = fold_concatenations(fold_rectifiers(program.module, inputs), inputs)
    return program


def folded_module(task: Task) -> nn.Module:
    """A copy of the module on the task's device, folded and channels last."""
    module = fold_batch_norms(task.module, task.examples).to(task.device)
    for tensor in (*module.parameters(), *module.buffers()):
        # Module.to would refuse a network that has weights of five dimensions besides.
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return module
