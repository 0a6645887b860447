"""Which convolutions of a network are done in another way that is quicker on a processor, and the same to rounding."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from comps.animation.neural.fourier import LEAST_TAPS, Fourier
from comps.animation.neural.winograd import TAPS, Winograd

_LEAST_SIDE = 32
"""Pixels of a picture below which too much of the last tiles lies outside of it."""
_LEAST_GAIN = 64
"""Product of the channels over their sum, times the taps in depth, from which the way there and back pays."""


def with_quick_convolutions(module: nn.Module, examples: Sequence[Tensor]) -> nn.Module:
    """A copy of `module` in which the convolutions that gain by it are `Winograd` or `Fourier`.

    Args:
        module: in eval mode and float32, on the CPU.
        examples: inputs of one call, by which the sizes of the pictures are seen.
    """
    quick = copy.deepcopy(module)
    sides: dict[nn.Module, int] = {}

    def see(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sides[layer] = min(output.shape[-2:])

    hooks = [part.register_forward_hook(see) for part in quick.modules() if _quicker(part) is not None]
    with torch.inference_mode():
        quick(*(example[:1] for example in examples))
    for hook in hooks:
        hook.remove()
    for parent in list(quick.modules()):
        for name, child in list(parent.named_children()):
            make = _quicker(child)
            if make is not None and sides.get(child, 0) >= _LEAST_SIDE:
                setattr(parent, name, make(child).eval())
    return quick


def _quicker(part: Any) -> type[Winograd] | type[Fourier] | None:
    """What does a layer quicker when its picture is large; None for what is no such layer."""
    if type(part) not in (nn.Conv2d, nn.Conv3d) or isinstance(part.padding, str):
        return None
    *depth, down, across = part.kernel_size
    plain = set(part.stride) == set(part.dilation) == {part.groups} == {1} and part.padding_mode == "zeros"
    gain = part.in_channels * part.out_channels / (part.in_channels + part.out_channels) * (depth or [1])[0]
    if not plain or down != across or gain < _LEAST_GAIN:
        return None
    if down in TAPS:
        return Winograd
    return Fourier if down >= LEAST_TAPS else None
