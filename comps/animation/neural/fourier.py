"""Convolutions with large kernels through the Fourier transform: the same function to rounding.

In the spectrum of a picture a convolution is one product for each frequency, however large the kernel. The picture is
transformed tile by tile, so that the kernel's spectrum has one size for all pictures.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST_TAPS = 7
"""Of a kernel, each way, from which this pays."""
_TILE = 40
"""Pixels of a tile, kernel's reach included: of small factors, for the transform."""


class Fourier(nn.Module):
    """Does what a convolution of at most 33 taps each way does; in three dimensions the depth's taps are any number.

    Args:
        layer: with stride, dilation and groups of 1 and weights in float32.
    """

    spectra: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        weight = layer.weight.detach()
        deep = weight if weight.dim() == 5 else weight[:, :, None]
        self._taps = deep.shape[-1]
        self._pads = (0,) * (3 - len(layer.padding)) + tuple(layer.padding)
        self.register_buffer("spectra", _as_real(torch.fft.rfft2(deep.double(), (_TILE, _TILE))))
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """`[n, i, h, w]` or `[n, i, d, h, w]` to what the layer gives."""
        flat = x.dim() == 4
        out = torch.stack([self._convolved(sample) for sample in (x.unsqueeze(2) if flat else x)])
        return out[:, :, 0] if flat else out

    def _convolved(self, x: Tensor) -> Tensor:
        """`[i, d, h, w]` to `[o, d', h', w']`."""
        front, top, left = self._pads
        kept = _TILE - self._taps + 1
        sides = [side + 2 * pad - self._taps + 1 for side, pad in ((x.shape[2], top), (x.shape[3], left))]
        down, across = (-(-side // kept) for side in sides)
        low, right = (kept * count + self._taps - 1 for count in (down, across))
        wide = F.pad(x, (left, right - left - x.shape[3], top, low - top - x.shape[2], front, front))
        tiles = wide.contiguous().unfold(2, _TILE, kept).unfold(3, _TILE, kept)
        made = torch.fft.irfft2(self._products(torch.fft.rfft2(tiles)), (_TILE, _TILE))[..., :kept, :kept]
        if self.bias is not None:
            made = made + self.bias[:, None, None, None, None, None]
        whole = made.transpose(3, 4).flatten(2, 3).flatten(3, 4)
        return whole[:, :, : sides[0], : sides[1]]

    def _products(self, seen: Tensor) -> Tensor:
        """The spectra `[i, d, down, across, f, f']` times the kernel's, `[o, d', down, across, f, f']`."""
        _, layers, down, across, *frequencies = seen.shape
        pairs = torch.view_as_real(seen).permute(4, 5, 1, 2, 3, 0, 6)
        rows = pairs.reshape(-1, layers, down * across, 2 * seen.shape[0])
        depth = layers - len(self.spectra) + 1
        made = torch.bmm(rows[:, :depth].flatten(1, 2), self.spectra[0])
        for tap, spectrum in enumerate(self.spectra[1:], 1):
            made.baddbmm_(rows[:, tap : tap + depth].flatten(1, 2), spectrum)
        numbers = torch.view_as_complex(made.view(*frequencies, depth, down, across, -1, 2))
        return numbers.permute(5, 2, 3, 4, 0, 1)


def _as_real(spectra: Tensor) -> Tensor:
    """Spectra `[o, i, taps, f, f']` as matrices `[taps, f * f', 2 i, 2 o]`, float32, real and imaginary part by turns.

    They multiply by the conjugate, as what networks call a convolution is a correlation.
    """
    real, imaginary = (part.permute(2, 3, 4, 1, 0).flatten(1, 2) for part in (spectra.real, spectra.imag))
    rows = torch.stack((torch.stack((real, -imaginary), -1), torch.stack((imaginary, real), -1)), 3)
    return rows.flatten(-2).flatten(2, 3).float().contiguous()
