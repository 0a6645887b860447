"""Convolutions by Winograd's method with products of whole numbers of 16 bits."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from comps.animation.neural.fused_winograd import FusedWinograd, Geometry
from comps.animation.neural.int16_products import int16_code, packed
from comps.animation.neural.winograd import OUTPUTS


class Int16Winograd(FusedWinograd):
    """Does what `FusedWinograd` does, less exactly: largest errors are some 1e-2 of what outputs vary by.

    Attributes:
        halved: see `Halving`.

    Raises:
        EngineUnavailableError: `int16_code` does.
    """

    units: Tensor
    types = (torch.float32, torch.float16)

    def __init__(self, layer: nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d, outputs: int = OUTPUTS) -> None:
        super().__init__(layer, outputs)
        self.halved = False

    def _out_type(self) -> torch.dtype:
        return torch.float16 if self.halved else torch.float32

    def _columns(self) -> int:
        return int(int16_code().int16_columns())

    def _keep(self, kernels: Iterable[Tensor]) -> None:
        weights, units = packed(part.flatten(1, 2) for part in kernels)
        self.register_buffer("weights", weights)
        self.register_buffer("units", units)

    def _convolve(self, pixels: Tensor, out: Tensor, geometry: Geometry) -> bool:
        places = (each.data_ptr() for each in (pixels, self.weights, self.units, self.bias, out))
        return not int16_code().int16_winograd(self._method, *places, ctypes.byref(geometry))
