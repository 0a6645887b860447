"""Which convolutions of a network are done in other ways that are quicker on a processor: the same to rounding, or nearly.

How many products a way saves is known; what its passes over memory cost is not, as it depends on caches, vector width
and the libraries. So each layer that may gain is timed in all ways, on the input that it gets.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from comps.animation.neural.fourier import LEAST_TAPS, Fourier
from comps.animation.neural.fused_winograd import (
    FusedWinograd,
    can_be_fused,
    is_fusible_here,
    outputs_of_a_tile,
)
from comps.animation.neural.int16_windows import Int16Windows, can_be_windows
from comps.animation.neural.int16_winograd import Int16Winograd
from comps.animation.neural.winograd import TAPS, Winograd

_LAYERS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)
_LEAST_GAIN, _LEAST_FUSED_GAIN = 16, 4
"""Product of the channels over their sum, times the taps in depth, below which the way there and back never pays."""
_WORTH = 0.9
"""Of the layer's time that another way may take: most need several times the memory, or are less exact."""
_TIMED_S = 0.25
"""After which a layer is not timed again."""
_MOST_TIMES = 3
_MOST_VALUES = 1 << 21
"""Of a layer's input while it is timed: more pictures, or more of their rows, tell no more."""
_LEAST_ROWS = 32
"""Of a picture, if it has as many."""

Quicker = Callable[[nn.Module, nn.Module, Tensor], bool]
"""Whether the second module is worth taking instead of the first, on an input."""
Ways = Callable[[Any, int, int], Sequence[Callable[[Any], nn.Module]]]
"""What may do a layer quicker on pictures of a height and a width, the most exact first; nothing for what is no such layer."""


def is_quicker(layer: nn.Module, other: nn.Module, x: Tensor) -> bool:
    """Whether the quickest of several calls of `other` takes clearly less of the processor's time.

    Not of the clock's, as the machine may be busy; and with one thread, as several wait for each other.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        best = _best_times((layer, other), x)
    finally:
        torch.set_num_threads(threads)
    return best[1] < _WORTH * best[0]


def _best_times(modules: tuple[nn.Module, nn.Module], x: Tensor) -> list[float]:
    """Seconds of the calling thread for the quickest call of each, by turns."""
    best = [math.inf, math.inf]
    end = time.perf_counter() + _TIMED_S
    for _ in range(_MOST_TIMES):
        for index, module in enumerate(modules):
            start = time.thread_time()
            module(x)
            best[index] = min(best[index], time.thread_time() - start)
        if time.perf_counter() > end:
            break
    return best


def exact_ways(part: Any, height: int, width: int) -> Sequence[Callable[[Any], nn.Module]]:
    """`FusedWinograd`, `Winograd` or `Fourier`, which give the same to rounding."""
    if can_be_fused(part) and _gain(part) >= _LEAST_FUSED_GAIN and is_fusible_here():
        return [partial(FusedWinograd, outputs=outputs_of_a_tile(part, height, width))]
    if type(part) not in (nn.Conv2d, nn.Conv3d) or isinstance(part.padding, str):
        return []
    down, across = part.kernel_size[-2:]
    plain = set(part.stride) == set(part.dilation) == {part.groups} == {1} and part.padding_mode == "zeros"
    if not plain or down != across or _gain(part) < _LEAST_GAIN:
        return []
    if down in TAPS:
        return [Winograd]
    return [Fourier] if down >= LEAST_TAPS else []


def int16_ways(part: Any, height: int, width: int) -> Sequence[Callable[[Any], nn.Module]]:
    """`Int16Windows` and `Int16Winograd`, and before them what is exact where the latter cannot do a layer."""
    ways: list[Callable[[Any], nn.Module]] = []
    if not can_be_fused(part) or _gain(part) < _LEAST_FUSED_GAIN:
        ways.extend(exact_ways(part, height, width))
    if can_be_windows(part):
        ways.append(Int16Windows)
    if can_be_fused(part) and _gain(part) >= _LEAST_FUSED_GAIN:
        ways.append(partial(Int16Winograd, outputs=outputs_of_a_tile(part, height, width)))
    return ways


def with_quick_convolutions(
    module: nn.Module, examples: Sequence[Tensor], quicker: Quicker | None = None, *, ways: Ways = exact_ways
) -> nn.Module:
    """A copy of `module` in which convolutions are done in the quickest of the ways.

    Args:
        module: in eval mode and float32, on the CPU.
        examples: inputs of one call, of the batch and the picture size that are most wanted.
        quicker: decides between a layer, or the best way so far, and another, on the layer's input;
            None means `is_quicker`.
        ways: what may do a layer.
    """
    quicker = quicker or is_quicker
    quick = copy.deepcopy(module)
    chosen: dict[nn.Module, nn.Module] = {}
    batch = len(examples[0])

    def choose(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if layer in chosen:  # called by `quicker`, or used a second time
            return
        chosen[layer] = layer
        if not inputs or not inputs[0].numel():  # given by its name, or nothing to be timed on
            return
        others = ways(layer, *inputs[0].shape[-2:])
        part = _part(inputs[0], batch) if others else inputs[0]
        for way in others:
            other = way(layer).eval()
            if quicker(chosen[layer], other, part):
                chosen[layer] = other

    hooks = [part.register_forward_pre_hook(choose) for part in quick.modules() if type(part) in _LAYERS]
    with torch.no_grad():
        quick(*(example[:1] for example in examples))
    for hook in hooks:
        hook.remove()
    for parent in list(quick.modules()):
        for name, child in list(parent.named_children()):
            setattr(parent, name, chosen.get(child, child))
    return quick


def _part(x: Tensor, batch: int) -> Tensor:
    """As much of a layer's input as it is timed on: `x` `[1, ..., h, w]` up to `batch` times, or only its first rows."""
    items = min(batch, max(1, _MOST_VALUES // x.numel()))
    rows = max(_LEAST_ROWS, x.shape[-2] * _MOST_VALUES // x.numel())
    return torch.cat([x[..., :rows, :]] * items)


def _gain(part: Any) -> float:
    depth = part.kernel_size[0] if isinstance(part, nn.Conv3d) else 1
    return float(part.in_channels * part.out_channels / (part.in_channels + part.out_channels) * depth)
