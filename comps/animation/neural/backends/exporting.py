"""A module as a graph that other runtimes read."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from comps.animation.neural.backend import Task
from comps.animation.neural.folding import fold_batch_norms


def exported(task: Task) -> torch.export.ExportedProgram:
    """The folded network's graph, for any batch size.

    Raises what torch.export does, when the network branches on values or has the batch size in it.
    """
    # One is special to torch.export: it would be taken as fixed.
    examples = tuple(_at_least_two(example) for example in task.examples)
    batch = torch.export.Dim("batch", min=1, max=65_536)
    shapes = tuple({0: batch} for _ in examples)
    with torch.no_grad():
        module = fold_batch_norms(task.module, task.examples)
        return torch.export.export(module, examples, dynamic_shapes=(shapes,) if _variadic(module) else shapes)


def onnx_model(task: Task) -> Any:
    """The same as an ``onnx.ModelProto`` with its weights inside (so below 2 GiB)."""
    program: Any = torch.onnx.export(exported(task), dynamo=True, verbose=False)
    return program.model_proto


def _at_least_two(example: Tensor) -> Tensor:
    return example if len(example) > 1 else torch.cat((example, example))


def _variadic(module: torch.nn.Module) -> bool:
    """Whether forward takes its tensors as ``*inputs``, which torch.export wants nested."""
    return any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(module.forward).parameters.values())
