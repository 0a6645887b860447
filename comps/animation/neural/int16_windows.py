"""Convolutions as they are defined, window by window, with products of whole numbers of 16 bits."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from comps.animation.neural.concatenation import Parts, checked_parts, native_parts
from comps.animation.neural.halving import halved
from comps.animation.neural.int16_products import Phase, WindowGeometry, int16_code, packed
from comps.animation.neural.phases import (
    Offsets,
    OutputPhase,
    growth,
    layer_sides,
    offsets,
    plain_phases,
    scattered_phases,
    transposed_phases,
)


class Int16Windows(nn.Module):
    """Does what a convolution or a transposed one does, and leaves out negative numbers if `rectified`.

    Largest errors are some 3e-3 of what outputs vary by. A transposed convolution without stride makes one pixel a
    picture of the kernel's size; only that is done so, and the layer is kept for larger pictures.

    Args:
        layer: one that `can_be_windows`, in float32, on the CPU.

    Attributes:
        halved: see `Halving`.

    Raises:
        EngineUnavailableError: `int16_code` does.
    """

    bias: Tensor
    reads_parts = True

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        self.rectified = self.halved = False
        self._channels, self._out_channels = layer.in_channels, layer.out_channels
        self._sides = layer_sides(layer)
        self._transposed = isinstance(layer, nn.ConvTranspose2d)
        scattered = self._transposed and set(layer.stride) == {1}
        self.for_larger = layer if scattered else None
        phases = scattered_phases(layer) if scattered else _phases(layer)
        bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias.detach().clone()
        self.register_buffer("bias", bias.float())
        places = {tuple(phase.taps): offsets(phase.taps) for phase in phases}
        self._phases = [_Phase(phase, places[tuple(phase.taps)]) for phase in phases]

    def forward(self, x: Parts) -> Tensor:
        """`[n, i, h, w]` to what the layer gives, channels innermost in memory.

        Raises:
            MemoryError: there is none for the scratch.
        """
        parts = checked_parts(x, self._channels, 4, f"n, {self._channels}, h, w", (torch.float32, torch.float16))
        height, width = parts[0].shape[2:]
        if self.for_larger is not None and height * width > 1:
            return self._by_layer(self.for_larger, parts)
        size = [self._out_size(*side) for side in zip((height, width), self._sides, strict=True)]
        if min(size) < 1:
            raise RuntimeError(f"pictures of {height} x {width} pixels are smaller than the kernel")
        pictures = [part.contiguous(memory_format=torch.channels_last) for part in parts]
        shape = (len(pictures[0]), self._out_channels, *size)
        dtype = torch.float16 if self.halved else torch.float32
        out = torch.empty(shape, dtype=dtype, device="cpu", memory_format=torch.channels_last)
        geometry = self._geometry(pictures, out)
        places = (each.data_ptr() for each in (pictures[0], self.bias, out))
        if len(out) and int16_code().int16_windows(*places, ctypes.byref(geometry)):
            raise MemoryError("there is no memory for a convolution's scratch")
        return out

    def _by_layer(self, layer: nn.Module, parts: Sequence[Tensor]) -> Tensor:
        made: Tensor = layer(torch.cat([part.float() for part in parts], 1))
        rectified = made.relu_() if self.rectified else made
        return halved(rectified) if self.halved else rectified

    def _out_size(self, pixels: int, side: tuple[int, int, int, int]) -> int:
        kernel, stride, padding, _ = side
        if self._transposed:
            return pixels * stride + growth(*side)
        return (pixels + 2 * padding - kernel) // stride + 1

    def _geometry(self, pictures: Sequence[Tensor], out: Tensor) -> WindowGeometry:
        """Valid as long as this and the pictures are."""
        strides = [side[1] for side in self._sides]
        steps, stride = ((1, 1), strides[0]) if self._transposed else (strides, 1)
        places = [-(-side // stride) for side in out.shape[2:]] if self.for_larger is None else (1, 1)
        phases = (Phase * len(self._phases))(*(phase.native() for phase in self._phases))
        return WindowGeometry(
            *(len(out), *pictures[0].shape[2:], self._channels, *native_parts(pictures, out)),
            *(*out.shape[2:], self._out_channels, *places, *steps, stride),
            *(len(phases), phases, self.rectified, torch.get_num_threads()),
        )


class _Phase:
    """Outputs of the same taps: what the C++ reads of them, and the memory that it reads."""

    def __init__(self, phase: OutputPhase, places: Offsets) -> None:
        self._places = places
        self._top, self._left = phase.top, phase.left
        # Channels in pairs: those of the next tap begin a new one.
        whole = nn.functional.pad(phase.weights, (0, phase.weights.shape[-1] % 2)).flatten(1)
        groups = whole.split(int(int16_code().int16_columns()))
        self._weights, self._units = packed(part.double().T[None] for part in groups)

    def native(self) -> Phase:
        """Valid as long as this is."""
        return Phase(
            *(len(self._places[0]), *self._places, self._weights.data_ptr(), self._units.data_ptr()),
            *(self._top, self._left),
        )


def can_be_windows(layer: Any) -> bool:
    """Whether `Int16Windows` can do a layer."""
    if type(layer) not in (nn.Conv2d, nn.ConvTranspose2d) or isinstance(layer.padding, str):
        return False
    if set(layer.dilation) != {1} or layer.groups != 1 or layer.padding_mode != "zeros":
        return False
    if isinstance(layer, nn.Conv2d):
        return True
    same = len(set(layer.stride)) == 1
    return same and min(layer.kernel_size) >= layer.stride[0]


def _phases(layer: nn.Conv2d | nn.ConvTranspose2d) -> list[OutputPhase]:
    return transposed_phases(layer) if isinstance(layer, nn.ConvTranspose2d) else plain_phases(layer)
