"""Convolutions as they are defined, window by window, with products of whole numbers of 16 bits."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from comps.animation.neural.concatenation import Parts, beside, checked
from comps.animation.neural.int16_products import int16_code, packed
from comps.animation.neural.phases import OutputPhase, added, plain_phases, scattered_phases, sides, transposed_phases

_Number = ctypes.c_int64
_Numbers = ctypes.POINTER(_Number)
_MOST_TAPS = 256


class Phase(ctypes.Structure):
    """As in ``windows.h``."""

    _fields_ = (
        ("taps", _Number),
        ("down", _Numbers),
        ("across", _Numbers),
        ("weights", ctypes.c_void_p),
        ("units", ctypes.c_void_p),
        ("top", _Number),
        ("left", _Number),
    )


class Layout(ctypes.Structure):
    """As in ``windows.h``."""

    _fields_ = (
        *((name, _Number) for name in ("samples", "height", "width", "channels")),
        *(("beside", ctypes.c_void_p), ("beside_channels", _Number)),
        *((name, _Number) for name in ("out_height", "out_width", "out_channels")),
        *((name, _Number) for name in ("places_down", "places_across", "step_down", "step_across", "stride")),
        ("phases", _Number),
        ("phase", ctypes.POINTER(Phase)),
        ("rectified", _Number),
        ("threads", _Number),
    )


class Int16Windows(nn.Module):
    """Does what a convolution or a transposed one does, and leaves out negative numbers if `rectified`.

    Errors are some 2e-3 of what outputs vary by. A transposed convolution without stride is done so for pictures of one
    pixel only.

    Args:
        layer: one that `can_be_windows`, in float32, on the CPU.

    Raises:
        EngineUnavailableError: `int16_code` does.
    """

    bias: Tensor
    joins = True

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        self.rectified = False
        self._channels, self._out_channels = layer.in_channels, layer.out_channels
        self._sides = sides(layer)
        self._transposed = isinstance(layer, nn.ConvTranspose2d)
        scattered = self._transposed and set(layer.stride) == {1}
        self._plain = (layer,) if scattered else ()  # in a tuple it is no part of this
        phases = scattered_phases(layer) if scattered else _phases(layer)
        bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias.detach().clone()
        self.register_buffer("bias", bias.float())
        self._phases = [_Phase(phase) for phase in phases]

    def forward(self, x: Parts) -> Tensor:
        """`[n, i, h, w]` to what the layer gives, channels innermost in memory.

        Raises:
            MemoryError: there is none for the scratch.
        """
        parts = checked(x, self._channels, 4, f"n, {self._channels}, h, w")
        height, width = parts[0].shape[2:]
        for plain in self._plain if height * width > 1 else ():
            made: Tensor = plain(torch.cat(parts, 1))
            return made.relu_() if self.rectified else made
        size = [self._out_size(*side) for side in zip((height, width), self._sides, strict=True)]
        if min(size) < 1:
            raise RuntimeError(f"pictures of {height} x {width} pixels are smaller than the kernel")
        pictures = [part.contiguous(memory_format=torch.channels_last) for part in parts]
        shape = (len(pictures[0]), self._out_channels, *size)
        out = torch.empty(shape, dtype=torch.float32, device="cpu", memory_format=torch.channels_last)
        layout = self._layout(pictures, out)
        places = (each.data_ptr() for each in (pictures[0], self.bias, out))
        if len(out) and int16_code().int16_windows(*places, ctypes.byref(layout)):
            raise MemoryError("there is no memory for a convolution's scratch")
        return out

    def _out_size(self, pixels: int, side: tuple[int, int, int, int]) -> int:
        kernel, stride, padding, _ = side
        if self._transposed:
            return pixels * stride + added(*side)
        return (pixels + 2 * padding - kernel) // stride + 1

    def _layout(self, pictures: Sequence[Tensor], out: Tensor) -> Layout:
        """Valid as long as this is."""
        strides = [side[1] for side in self._sides]
        steps, stride = ((1, 1), strides[0]) if self._transposed else (strides, 1)
        places = (1, 1) if self._plain else [-(-side // stride) for side in out.shape[2:]]
        phases = (Phase * len(self._phases))(*(phase.native() for phase in self._phases))
        return Layout(
            *(len(out), *pictures[0].shape[2:], self._channels, *beside(pictures), *out.shape[2:], self._out_channels),
            *(*places, *steps, stride, len(phases), phases, self.rectified, torch.get_num_threads()),
        )


class _Phase:
    """Outputs of the same taps: what the C++ reads of them, and the memory that it reads."""

    def __init__(self, phase: OutputPhase) -> None:
        numbers = ctypes.c_int64 * len(phase.taps)
        self._down, self._across = numbers(*(tap[0] for tap in phase.taps)), numbers(*(tap[1] for tap in phase.taps))
        self._top, self._left = phase.top, phase.left
        # Channels in pairs: those of the next tap begin a new one.
        whole = nn.functional.pad(phase.weights, (0, phase.weights.shape[-1] % 2)).flatten(1)
        groups = whole.split(int(int16_code().int16_columns()))
        self._weights, self._units = packed(part.double().T[None] for part in groups)

    def native(self) -> Phase:
        """Valid as long as this is."""
        return Phase(
            *(len(self._down), self._down, self._across, self._weights.data_ptr(), self._units.data_ptr()),
            *(self._top, self._left),
        )


def can_be_windows(layer: Any) -> bool:
    """Whether `Int16Windows` can do a layer."""
    if type(layer) not in (nn.Conv2d, nn.ConvTranspose2d) or isinstance(layer.padding, str):
        return False
    plain = set(layer.dilation) == {layer.groups} == {1} and layer.padding_mode == "zeros"
    if not plain or layer.kernel_size[0] * layer.kernel_size[1] > _MOST_TAPS:
        return False
    if isinstance(layer, nn.Conv2d):
        return True
    same = len(set(layer.stride)) == 1
    return same and min(layer.kernel_size) >= layer.stride[0]


def _phases(layer: nn.Conv2d | nn.ConvTranspose2d) -> list[OutputPhase]:
    return transposed_phases(layer) if isinstance(layer, nn.ConvTranspose2d) else plain_phases(layer)
