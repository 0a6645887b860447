"""Pictures between layers in float16 where both layers can: half of their way through memory, eleven bits of a number."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from comps.animation.neural.folding import still_agrees

logger = logging.getLogger(__name__)

_TOLERANCE = 5e-3
"""Of the output's largest magnitude; rounding to float16 costs Wav2Lip 1.4e-3."""
_QUESTIONS = {
    *(Tensor.size, Tensor.dim, Tensor.stride, Tensor.numel, Tensor.nelement, Tensor.__len__, Tensor.element_size),
    *(Tensor.is_floating_point, Tensor.is_complex, Tensor.is_contiguous, Tensor.get_device, Tensor.storage_offset),
}
"""What may be asked of a tensor by anyone, as its numbers have no part in the answer."""


@runtime_checkable
class Halving(Protocol):
    """A layer that reads pictures of float32 and of float16.

    Attributes:
        halved: whether it gives float16, whose largest number then stands for all beyond it.
    """

    halved: bool


def halve_pictures(module: nn.Module, examples: Sequence[Tensor]) -> nn.Module:
    """`module` itself, in which each `Halving` layer whose output only others of them read gives it in float16.

    Readers are seen that are modules or functions of torch. Others, scripted ones or those that export a tensor's memory,
    come to read float16; if they fail then, or if the module returns something else, all pictures stay float32.

    Args:
        module: ready for inference.
        examples: inputs of one call as it is most wanted, of the type and on the device of the module.
    """
    with torch.inference_mode():
        layers, expected = _layers_among_themselves(module, examples)
        for layer in layers:
            layer.halved = True
        if layers and not still_agrees(expected, module, examples, _TOLERANCE):
            logger.warning("%s keeps its pictures in float32: float16 changes what it returns", type(module).__name__)
            for layer in layers:
                layer.halved = False
    return module


def halved(made: Tensor) -> Tensor:
    """`made` in float16, whose largest number stands for all beyond it."""
    most = torch.finfo(torch.float16).max
    return made.clamp(-most, most).half()


def _layers_among_themselves(module: nn.Module, examples: Sequence[Tensor]) -> tuple[list[Halving], Any]:
    """`Halving` layers whose output nothing else reads, the caller neither; and what the module returns."""
    with _Makers(module).watching() as makers:
        returned = module(*examples)
    makers.read_by_others(returned)
    return makers.unread(), returned


class _Makers(TorchFunctionMode):
    """Which `Halving` layers made tensors, and which of these other functions read."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = module
        self._made: dict[int, tuple[Tensor, nn.Module]] = {}
        """By the identity of a tensor, which is kept so that no other gets it."""
        self._read: set[nn.Module] = set()
        self._within = 0

    @contextmanager
    def watching(self) -> Iterator[_Makers]:
        """While the module runs."""
        layers: list[nn.Module] = [part for part in self._module.modules() if isinstance(part, Halving)]
        hooks = [layer.register_forward_pre_hook(self._enter) for layer in layers]
        hooks += [layer.register_forward_hook(self._leave) for layer in layers]
        try:
            with self:
                yield self
        finally:
            for hook in hooks:
                hook.remove()

    def read_by_others(self, value: Any) -> None:
        """Each tensor in it has a reader that is no such layer."""
        for tensor in _tensors(value):
            if id(tensor) in self._made:
                self._read.add(self._made[id(tensor)][1])

    def unread(self) -> list[Halving]:
        """Layers that made something which only such layers read."""
        layers = {layer for _, layer in self._made.values()}
        return [cast("Halving", layer) for layer in layers - self._read]

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self._within and not _is_question(func, result):
            self.read_by_others((*args, *(kwargs or {}).values()))
        return result

    def _enter(self, layer: nn.Module, inputs: Any) -> None:
        self._within += 1

    def _leave(self, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        self._within -= 1
        self._made[id(output)] = (output, layer)


def _is_question(func: Callable[..., Any], result: Any) -> bool:
    """Attributes such as ``shape`` are got; others, such as ``T``, are tensors themselves."""
    return func in _QUESTIONS or (getattr(func, "__name__", "") == "__get__" and not isinstance(result, Tensor))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _tensors(each)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
