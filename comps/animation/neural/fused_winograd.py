"""Convolutions by Winograd's method from pixels to outputs in one go, by the C++ of ``winograd.h``.

The same numbers as `Winograd`'s, to rounding, without what that writes to memory between its steps; transposed
convolutions that double a picture besides. For processors with AVX2 or AVX-512.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016.
"""

from __future__ import annotations

import ctypes
import logging
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comps.animation.neural.concatenation import Parts, checked_parts, native_parts
from comps.animation.neural.native import NativeCode, TriedOnce, check_processor, processor_flags
from comps.animation.neural.winograd import OUTPUTS, TAPS, matrices
from comps.core.errors import EngineUnavailableError

logger = logging.getLogger(__name__)

_SOURCE = Path(__file__).with_name("winograd.cpp")
_HEADERS = tuple(Path(__file__).with_name(name) for name in ("winograd.h", "vectors.h"))
_OPTIONS = (("avx512f", ("-mavx512f", "-mfma")), ("avx2", ("-mavx2", "-mfma", "-mf16c")))
"""Of the compiler, by what the processor has; the first that fits is taken."""
_FEW_OUTPUTS = 3
"""Of a tile, each way, for pictures that tiles of `OUTPUTS` reach far beyond."""
_DOUBLING = 0
"""Stands for the taps of a transposed convolution that doubles."""
_METHODS = {
    (OUTPUTS, 2): 0,
    (OUTPUTS, 3): 1,
    (_FEW_OUTPUTS, 3): 2,
    (OUTPUTS, _DOUBLING): 3,
    (_FEW_OUTPUTS, _DOUBLING): 4,
}
"""Numbers of the methods in ``winograd.h``, by the outputs of a tile, or the inputs that it doubles, and the taps."""

_Number = ctypes.c_int64


class Geometry(ctypes.Structure):
    """As in ``winograd.h``."""

    _fields_ = (
        *((name, _Number) for name in ("samples", "depth", "height", "width", "channels")),
        *(("beside", ctypes.c_void_p), ("beside_channels", _Number)),
        *((name, _Number) for name in ("halves", "beside_halves", "out_halves")),
        *((name, _Number) for name in ("out_depth", "out_height", "out_width", "out_channels")),
        *((name, _Number) for name in ("taps", "front", "top", "left", "rectified", "threads")),
    )


class FusedWinograd(nn.Module):
    """Does what a layer does that `can_be_fused`, and leaves out negative numbers if `rectified`.

    Args:
        layer: with weights in float32, on the CPU.
        outputs: of a tile, each way, or of a layer that doubles the inputs; 4, or 3 if it has three taps. See
            `outputs_of_a_tile`.

    Raises:
        EngineUnavailableError: `fused_code` does.
    """

    weights: Tensor
    bias: Tensor
    reads_parts = True
    types: tuple[torch.dtype, ...] = (torch.float32,)
    """Of pictures that it reads."""

    def __init__(self, layer: nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d, outputs: int = OUTPUTS) -> None:
        super().__init__()
        self.rectified = False
        transposed = isinstance(layer, nn.ConvTranspose2d)
        weight = layer.weight.detach().transpose(0, 1) if transposed else layer.weight.detach()
        deep = weight if weight.dim() == 5 else weight[:, :, None]
        self._out_channels, self._channels, self._depth_taps, self._taps, _ = deep.shape
        self._doubles = transposed
        self._method = _METHODS[outputs, _DOUBLING if transposed else self._taps]
        self._lost = 1 - int(layer.output_padding[0]) if isinstance(layer, nn.ConvTranspose2d) else 0
        pads = [0, 0, 0] if transposed else [int(pad) for pad in layer.padding]
        self._pads = [0] * (3 - len(pads)) + pads
        one_way = torch.from_numpy(_doubling_kernel(outputs) if transposed else matrices(self._taps, outputs)[1])
        # In groups, as all kernels at all points would take many times their memory in float64.
        groups = (part.double() for part in deep.split(self._columns()))
        self._keep(torch.einsum("ak,bl,oidkl->abdio", one_way, one_way, part).flatten(0, 1) for part in groups)
        bias = torch.zeros(self._out_channels) if layer.bias is None else layer.bias.detach().clone()
        self.register_buffer("bias", bias.float())
        self._dimensions = layer.weight.dim()

    def forward(self, x: Parts) -> Tensor:
        """`[n, i, h, w]` or `[n, i, d, h, w]` to what the layer gives, channels innermost in memory.

        Raises:
            MemoryError: there is none for the scratch.
        """
        flat = self._dimensions == 4
        layout = torch.channels_last if flat else torch.channels_last_3d
        wanted = f"n, {self._channels}, {'' if flat else 'd, '}h, w"
        pixels = checked_parts(x, self._channels, self._dimensions, wanted, self.types)
        pictures = [part.contiguous(memory_format=layout) for part in pixels]
        count, _, *sides = pictures[0].shape
        depth, height, width = (1, *sides) if flat else sides
        size = self._out_size(depth, height, width)
        if min(size) < 1:
            raise RuntimeError(f"pictures of {height} x {width} pixels are smaller than the kernel")
        shape = (count, self._out_channels, *size[flat:])
        out = torch.empty(shape, dtype=self._out_type(), device="cpu", memory_format=layout)
        geometry = Geometry(
            *(count, depth, height, width, self._channels, *native_parts(pictures, out), *size),
            *(self._out_channels, self._depth_taps, *self._pads, self.rectified, torch.get_num_threads()),
        )
        if count and not self._convolve(pictures[0], out, geometry):
            raise MemoryError("there is no memory for a convolution's scratch")
        return out

    def _out_type(self) -> torch.dtype:
        return torch.float32

    def _columns(self) -> int:
        """Outputs that are multiplied at once."""
        return int(fused_code().winograd_columns())

    def _keep(self, kernels: Iterable[Tensor]) -> None:
        """Take over kernels' values at all points, float64 `[points, d, i, o]` for each group of outputs."""
        groups = [nn.functional.pad(part, (0, self._columns() - part.shape[-1])).float() for part in kernels]
        # Torch's memory begins at lines of the caches; a stack of few channels may be in another order than its indices.
        self.register_buffer("weights", torch.stack(groups, 1).contiguous())

    def _convolve(self, pixels: Tensor, out: Tensor, geometry: Geometry) -> bool:
        """Fill `out`; False when there is no memory for the scratch."""
        places = (each.data_ptr() for each in (pixels, self.weights, self.bias, out))
        return not fused_code().winograd_convolve(self._method, *places, ctypes.byref(geometry))

    def _out_size(self, depth: int, height: int, width: int) -> tuple[int, int, int]:
        if self._doubles:
            return 1, 2 * height - self._lost, 2 * width - self._lost
        front, top, left = (2 * pad + 1 for pad in self._pads)
        return depth + front - self._depth_taps, height + top - self._taps, width + left - self._taps


def can_be_fused(layer: Any) -> bool:
    """Whether `FusedWinograd` can do a layer: two or three taps each way without strides, or the doubling of pictures."""
    if type(layer) not in (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d) or isinstance(layer.padding, str):
        return False
    if set(layer.dilation) != {1} or layer.groups != 1 or layer.padding_mode != "zeros":
        return False
    if isinstance(layer, nn.ConvTranspose2d):
        sides = zip(layer.kernel_size, layer.stride, layer.padding, strict=True)
        return all(side == (3, 2, 1) for side in sides) and len(set(layer.output_padding)) == 1
    down, across = layer.kernel_size[-2:]
    return set(layer.stride) == {1} and down == across and down in TAPS


def outputs_of_a_tile(layer: nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d, height: int, width: int) -> int:
    """Those each way with which `layer` makes the fewest products of pictures of `height` x `width` pixels."""
    if isinstance(layer, nn.ConvTranspose2d):
        return min((OUTPUTS, _FEW_OUTPUTS), key=lambda some: _products((height, width), some, 2 * some + 1))
    taps = layer.kernel_size[-1]
    if taps != 3:
        return OUTPUTS
    sides = [side + 2 * int(pad) + 1 - taps for side, pad in zip((height, width), layer.padding[-2:], strict=True)]
    return min((OUTPUTS, _FEW_OUTPUTS), key=lambda some: _products(sides, some, some + taps - 1))


def _products(sides: Sequence[int], outputs: int, points: int) -> int:
    """Of a picture, for one channel: as many as its tiles have points."""
    return math.prod(-(-side // outputs) * points for side in sides)


def _loaded() -> ctypes.CDLL:
    try:
        check_processor("they need Linux on a processor with AVX2", {"avx2", "fma", "f16c"})
        options = next(options for flag, options in _OPTIONS if flag in processor_flags())
        code = NativeCode(_SOURCE, ("-ffp-contract=fast", *options), "quick convolutions", _HEADERS)
        library = code.library()
    except EngineUnavailableError as error:
        logger.warning("convolutions by Winograd's method are slower than they could be: %s", error.message)
        raise
    library.winograd_columns.restype = _Number
    library.winograd_convolve.argtypes = [_Number, *[ctypes.c_void_p] * 4, ctypes.POINTER(Geometry)]
    return library


fused_code = TriedOnce(_loaded)
"""The compiled code; raises EngineUnavailableError on other machines than Linux on a processor with AVX2, and as
`NativeCode.library` does. Where it cannot be had, the log says so once."""


def is_fusible_here() -> bool:
    """Whether `fused_code` is to be had."""
    return fused_code.is_here()


def _doubling_kernel(inputs: int) -> NDArray[np.float64]:
    """`[2 * inputs + 1, 3]`: a transposed kernel at the points of outputs with two taps, and for each other output its tap."""
    two = matrices(2, inputs)[1]
    kernel = np.zeros((len(two) + inputs, 3))
    kernel[: len(two), [2, 0]] = two
    kernel[len(two) :, 1] = 1
    return kernel
