"""A module as a graph that other runtimes read."""

from __future__ import annotations

import inspect
import logging
import warnings
from typing import Any

import torch
from torch import Tensor

from comps.animation.neural.backend import Task
from comps.animation.neural.folding import fold_batch_norms, fold_parts

_OPERATORS = "torch.onnx._internal.exporter._registration"
"""Logger of the exporter's table of operators."""


def exported(task: Task, *, float32: bool) -> torch.export.ExportedProgram:
    """The folded network's graph, for any batch size.

    Args:
        task: what to export.
        float32: whether it is going to be computed in float32, for which more can be folded than for less.

    Raises what torch.export does, when the network branches on values or has the batch size in it.
    """
    # One is special to torch.export: it would be taken as fixed.
    examples = tuple(_at_least_two(example) for example in task.examples)
    with torch.no_grad():
        module = fold_batch_norms(task.module, task.examples)
        if float32:
            fold_parts(module)
        return torch.export.export(module, examples, dynamic_shapes=_any_batch(module, len(examples)))


def onnx_model(task: Task, *, float32: bool) -> Any:
    """The same as an ``onnx.ModelProto`` with its weights inside (so below 2 GiB)."""
    logging.getLogger(_OPERATORS).addFilter(_says_more_than_torchvision)
    graph = exported(task, float32=float32)
    with warnings.catch_warnings():
        # What torch's own exporter does and torch has since deprecated; nothing here can do without.
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        program: Any = torch.onnx.export(graph, dynamo=True, verbose=False)
    return program.model_proto


def _says_more_than_torchvision(record: logging.LogRecord) -> bool:
    """No network here has one of torchvision's operators, which the exporter misses one by one."""
    return "torchvision is not installed" not in str(record.msg)


def _at_least_two(example: Tensor) -> Tensor:
    return example if len(example) > 1 else torch.cat((example, example))


def _any_batch(module: torch.nn.Module, count: int) -> tuple[Any, ...]:
    """A free first dimension for each of `count` inputs; those of ``*inputs`` are nested, as torch.export wants them."""
    free = {0: torch.export.Dim("batch", min=1, max=65_536)}
    kinds = [parameter.kind for parameter in inspect.signature(module.forward).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL not in kinds:
        return (free,) * count
    single = kinds.index(inspect.Parameter.VAR_POSITIONAL)
    return (*(free for _ in range(single)), (free,) * (count - single))
