"""Pictures between layers in float16 where both layers can: half of their way through memory, eleven bits of a number."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

logger = logging.getLogger(__name__)

_TOLERANCE = 2e-2
"""Of the output's largest magnitude: far more than rounding does, and less than numbers beyond float16 do."""


@runtime_checkable
class Halving(Protocol):
    """A layer that reads pictures of float32 and of float16.

    Attributes:
        halved: whether it gives float16, whose largest number then stands for all beyond it.
    """

    halved: bool


def halve_pictures(module: nn.Module, examples: Sequence[Tensor]) -> nn.Module:
    """`module` itself, in which each `Halving` layer whose output only others of them read gives it in float16.

    Args:
        module: ready for inference.
        examples: inputs of one call, of the type and on the device of the module.
    """
    one = tuple(example[:1] for example in examples)
    with torch.inference_mode():
        layers, expected = _layers_among_themselves(module, one)
        for layer in layers:
            layer.halved = True
        if layers and not _near(expected, module(*one)):
            logger.warning("%s keeps its pictures in float32: they have numbers beyond float16", type(module).__name__)
            for layer in layers:
                layer.halved = False
    return module


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
        # A size or a type may be asked of any tensor.
        if not self._within and any(True for _ in _tensors(result)):
            self.read_by_others((*args, *(kwargs or {}).values()))
        return result

    def _enter(self, layer: nn.Module, inputs: Any) -> None:
        self._within += 1

    def _leave(self, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        self._within -= 1
        self._made[id(output)] = (output, layer)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _tensors(each)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _near(expected: Any, found: Any) -> bool:
    pairs = zip(_tensors(expected), _tensors(found), strict=True)
    return all(bool((a - b).abs().max() <= _TOLERANCE * (1e-6 + a.abs().max())) for a, b in pairs)
