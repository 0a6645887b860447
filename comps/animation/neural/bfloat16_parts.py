"""Convolutions on a processor's matrix unit, which multiplies in bfloat16, more exact than that: numbers as sums of several.

A number of float32 has 24 binary digits, one of float16 eleven, one of bfloat16 eight. Of three parts six products are
kept, which leaves the error of float32 itself (BF16x6); of two parts three (BF16x3), which leaves 2^-17 of what is summed,
less than pictures in float16 lose between two layers. Sums are float32.

Source: Henry, Tang and Heinecke, Leveraging the bfloat16 Artificial Intelligence Datatype for Higher-Precision
Computations, 2019.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn

from comps.animation.neural.amx import PARTS, Geometry, Phase, matrix_unit
from comps.animation.neural.phases import OutputPhase, growth, layer_sides, offsets, plain_phases, transposed_phases

_BLOCK = 32
"""Channels that are multiplied together; others are filled up with zeros."""
_MOST_TAPS = 256
_LEAST_FILLED = 0.25
"""Share of its blocks' products that a layer needs, below which six of them cost more than one of float32."""
_WEIGHTED = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.LayerNorm, nn.GroupNorm),
)


class InParts(nn.Module):
    """Does what a convolution or a transposed convolution in two dimensions does.

    Args:
        layer: one that `can_be_in_parts`, in float32.
        dtype: of the pictures it gets and gives: float32, or float16 for half the memory's traffic.

    Raises:
        EngineUnavailableError: this machine has no such unit; see `amx.MatrixUnit`.
    """

    bias: Tensor

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.rectified = False
        matrix_unit()  # raises where there is none
        self._dtype = dtype
        self._channels, self._out_channels = layer.in_channels, layer.out_channels
        transposed = isinstance(layer, nn.ConvTranspose2d)
        self._stride = layer.stride[0] if transposed else 1
        more = [
            growth(*side) // self._stride if transposed else 2 * side[2] - side[0] + 1 for side in layer_sides(layer)
        ]
        self._added, self._lost = [max(0, each) for each in more], [max(0, -each) for each in more]
        bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias.detach().clone()
        self.register_buffer("bias", bias)
        self._phases = [
            _Phase(part, PARTS[dtype]) for part in (transposed_phases if transposed else plain_phases)(layer)
        ]

    def forward(self, x: Tensor) -> Tensor:
        """`[n, i, h, w]` to what the layer gives, without negative numbers if `rectified`; channels innermost in memory."""
        if x.dim() != 4 or x.shape[1] != self._channels or x.dtype != self._dtype:
            wanted = f"{self._dtype} [n, {self._channels}, h, w]"
            raise RuntimeError(f"the input is {x.dtype} {list(x.shape)} instead of {wanted}")
        if any(self._added):
            x = nn.functional.pad(x, (0, self._added[1], 0, self._added[0]))
        pixels = x.contiguous(memory_format=torch.channels_last)
        count, channels, height, width = x.shape
        grid = (height - self._lost[0], width - self._lost[1])
        if min(grid) < 1:
            raise RuntimeError(f"pictures of {height} x {width} pixels are smaller than the kernel")
        size = tuple(self._stride * side for side in grid)
        out = torch.empty((count, self._out_channels, *size), dtype=x.dtype, memory_format=torch.channels_last)
        phases = (Phase * len(self._phases))(*(phase.native() for phase in self._phases))
        geometry = Geometry(
            *(count, height, width, channels, *size, self._out_channels),
            *(self._stride, *grid, len(phases), phases, self.rectified, torch.get_num_threads()),
        )
        matrix_unit().convolve(pixels, self.bias, out, geometry)
        return out


class InFloat32(nn.Module):
    """A layer in float32 between pictures in another type, whose largest number stands for all beyond it.

    Args:
        layer: takes and gives one tensor.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """What the layer gives, in the type of `x`."""
        made: Tensor = self.layer(x.float())
        most = torch.finfo(x.dtype).max
        return made.clamp(-most, most).to(x.dtype)


def in_parts(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """`module` itself, every convolution that gains by it now `InParts`.

    Args:
        module: for inference, in float32.
        dtype: of the pictures between the layers: float32, or float16, in which all else comes to be too, but for
            layers with weights: those stay in float32.
    """
    half = dtype == torch.float16
    kept: set[nn.Module] = set()
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if can_be_in_parts(child) and (half or _filled(child) >= _LEAST_FILLED):
                setattr(parent, name, InParts(cast("nn.Conv2d", child), dtype))
                kept.add(getattr(parent, name))
            elif half and type(child) in _WEIGHTED:
                setattr(parent, name, InFloat32(child))
                kept.add(child)
    for part in module.modules() if half else ():
        tensors = [*part.parameters(recurse=False), *part.buffers(recurse=False)] if part not in kept else []
        for tensor in tensors:
            tensor.data = tensor.data.to(dtype) if tensor.is_floating_point() else tensor.data
    return module


class _Phase:
    """Outputs of the same taps: what the C++ reads of them, and the memory that it reads."""

    def __init__(self, part: OutputPhase, parts: int) -> None:
        self._down, self._across = offsets(part.taps)
        self._top, self._left = part.top, part.left
        self._weights = packed(part.weights, parts)

    def native(self) -> Phase:
        """Valid as long as this is."""
        return Phase(
            len(self._down), self._down, self._across, self._weights.data_ptr(), top=self._top, left=self._left
        )


def can_be_in_parts(layer: Any) -> bool:
    """Whether `InParts` can do a layer."""
    if type(layer) not in (nn.Conv2d, nn.ConvTranspose2d) or isinstance(layer.padding, str):
        return False
    plain = set(layer.dilation) == {layer.groups} == {1} and layer.padding_mode == "zeros"
    if not plain or layer.kernel_size[0] * layer.kernel_size[1] > _MOST_TAPS:
        return False
    if isinstance(layer, nn.Conv2d):
        return set(layer.stride) == {1}
    whole = all(growth(*side) % side[1] == 0 <= growth(*side) and side[0] >= side[1] for side in layer_sides(layer))
    return whole and len(set(layer.stride)) == 1


def _filled(layer: nn.Conv2d) -> float:
    """Share of the products of whole blocks that the layer has."""
    whole = math.prod(-(-side // _BLOCK) * _BLOCK for side in (layer.in_channels, layer.out_channels))
    return layer.in_channels * layer.out_channels / whole


def packed(weights: Tensor, parts: int) -> Tensor:
    """`[o, taps, i]` as bfloat16 `[o / 32, taps, i / 32, parts, 2, 16, 16, 2]`: outputs innermost but for pairs of inputs."""
    outputs, taps, inputs = weights.shape
    rows, columns = (-(-side // _BLOCK) for side in (outputs, inputs))
    rest = weights.new_zeros(rows * _BLOCK, taps, columns * _BLOCK)
    rest[:outputs, :, :inputs] = weights
    pieces = []
    for _ in range(parts):
        pieces.append(rest.bfloat16())
        rest = rest - pieces[-1].float()
    tiles = torch.stack(pieces).view(parts, rows, 2, 16, taps, columns, 16, 2)
    return tiles.permute(1, 4, 5, 0, 2, 6, 3, 7).contiguous()
