"""A convolution or a transposed one as sums over pixels around each output: its phases, outputs that have the same taps."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

Tap = tuple[int, int]
Offsets: TypeAlias = "tuple[ctypes.Array[ctypes.c_int64], ctypes.Array[ctypes.c_int64]]"


@dataclass(frozen=True, slots=True)
class OutputPhase:
    """Some outputs' taps `(down, across)` against the output's place, their weights `[o, taps, i]`, and the first such output."""

    taps: Sequence[Tap]
    weights: Tensor
    top: int = 0
    left: int = 0


def offsets(taps: Sequence[Tap]) -> Offsets:
    """Taps as compiled code reads them: how far down and across."""
    numbers = ctypes.c_int64 * len(taps)
    return numbers(*(tap[0] for tap in taps)), numbers(*(tap[1] for tap in taps))


def layer_sides(layer: nn.Conv2d | nn.ConvTranspose2d) -> list[tuple[int, int, int, int]]:
    """Kernel, stride, padding and padding of the output, downwards and across."""
    return list(zip(layer.kernel_size, layer.stride, layer.padding, layer.output_padding, strict=True))


def growth(kernel: int, stride: int, padding: int, output_padding: int) -> int:
    """By how many pixels a transposed convolution's output is larger than its input times the stride."""
    return kernel - 2 * padding + output_padding - stride


def plain_phases(layer: nn.Conv2d) -> list[OutputPhase]:
    """The one of all outputs; the place of output `n` is pixel `n * stride`."""
    tall, wide = layer.kernel_size
    above, before = (int(pad) for pad in layer.padding)
    taps = [(down - above, across - before) for down in range(tall) for across in range(wide)]
    return [OutputPhase(taps, layer.weight.detach().permute(0, 2, 3, 1).flatten(1, 2))]


def transposed_phases(layer: nn.ConvTranspose2d) -> list[OutputPhase]:
    """One for each rest of an output's place by the stride, both ways."""
    down, across = ([_taps_of(rest, *side[:3]) for rest in range(layer.stride[0])] for side in layer_sides(layer))
    phases = []
    for top, rows in enumerate(down):
        for left, columns in enumerate(across):
            places = [(row, column) for row in rows for column in columns]
            weights = torch.stack([layer.weight.detach()[:, :, row[0], column[0]].T for row, column in places], 1)
            phases.append(OutputPhase([(row[1], column[1]) for row, column in places], weights, top, left))
    return phases


def scattered_phases(layer: nn.ConvTranspose2d) -> list[OutputPhase]:
    """One for each output of a picture of a single pixel."""
    (_, _, above, _), (_, _, before, _) = layer_sides(layer)
    tall, wide = layer.weight.shape[2:]
    weights = layer.weight.detach().permute(2, 3, 1, 0)
    return [
        OutputPhase([(0, 0)], weights[down, across, :, None], down - above, across - before)
        for down in range(above, tall - above)
        for across in range(before, wide - before)
    ]


def _taps_of(rest: int, kernel: int, stride: int, padding: int) -> list[tuple[int, int]]:
    """Number of the tap, and the input's place against output `stride * place + rest`, for those that reach it."""
    return [(tap, (rest + padding - tap) // stride) for tap in range(kernel) if (rest + padding - tap) % stride == 0]
