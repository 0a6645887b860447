"""Convolutions by Winograd's method with products of whole numbers of 16 bits."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

from torch import Tensor

from comps.animation.neural.fused_winograd import FusedWinograd, Geometry
from comps.animation.neural.int16_products import int16_code, packed


class Int16Winograd(FusedWinograd):
    """Does what `FusedWinograd` does, less exactly: largest errors are some 1e-2 of what outputs vary by.

    Raises:
        EngineUnavailableError: `int16_code` does.
    """

    units: Tensor

    def _columns(self) -> int:
        return int(int16_code().int16_columns())

    def _keep(self, kernels: Iterable[Tensor]) -> None:
        weights, units = packed(part.flatten(1, 2) for part in kernels)
        self.register_buffer("weights", weights)
        self.register_buffer("units", units)

    def _convolve(self, pixels: Tensor, out: Tensor, geometry: Geometry) -> bool:
        places = (each.data_ptr() for each in (pixels, self.weights, self.units, self.bias, out))
        return not int16_code().int16_winograd(self._method, *places, ctypes.byref(geometry))
