"""Convolutions by Winograd's method: the same function to rounding with a quarter of the multiplications.

A stretch of four outputs of three taps has twelve products; as polynomials, evaluated at six points and multiplied there,
it needs six, and both ways of a picture 36 instead of 144. What is left is one matrix product per point, which libraries
do best. The way there and back are matrix products too, with the picture's channels innermost. Errors are those of
float32, a few times the direct convolution's; kernels take four times the memory.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

OUTPUTS = 4
"""Outputs, each way, that are computed together."""
# Points that keep the errors in float32 small; the last point is at infinity.
_POINTS = (0.0, 1.0, -1.0, 2.0, -0.5)
_ONE = 1
"""Which of the points is 1."""
TAPS = (2, 3)
"""Of kernels, each way, that it is for."""
_STRIP_BYTES = 8 << 20
"""Of the tiles done at once, rows of one picture or several pictures whole: small against a last-level cache."""


class Winograd(nn.Module):
    """Does what a convolution of 2 or 3 taps each way does; in three dimensions the depth's taps are any number.

    Args:
        layer: with stride, dilation and groups of 1 and weights in float32.
    """

    before: Tensor
    after: Tensor
    kernels: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        weight = layer.weight.detach()
        self._pads = (0,) * (3 - len(layer.padding)) + tuple(layer.padding)
        self._taps = weight.shape[-1]
        self._points = OUTPUTS + self._taps - 1
        there, kernel, back = matrices(self._taps)
        self.register_buffer("before", torch.from_numpy(there).float())
        self.register_buffer("after", torch.from_numpy(back).float())
        deep = weight if weight.dim() == 5 else weight[:, :, None]
        one_way = torch.from_numpy(kernel)
        kernels = torch.einsum("ak,bl,oidkl->dabio", one_way, one_way, deep.double()).flatten(1, 2)
        self.register_buffer("kernels", kernels.float().contiguous())
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """`[n, i, h, w]` or `[n, i, d, h, w]` to what the layer gives, channels innermost in memory."""
        flat = x.dim() == 4
        out = self._convolved(x.unsqueeze(2) if flat else x)
        return out[:, :, 0] if flat else out

    def _convolved(self, x: Tensor) -> Tensor:
        count, channels, depth, height, width = (
            side + 2 * pad for side, pad in zip(x.shape, (0, 0, *self._pads), strict=True)
        )
        deep = depth - len(self.kernels) + 1
        down, across = (-(-(side - self._taps + 1) // OUTPUTS) for side in (height, width))
        pixels = self._padded(x, depth, OUTPUTS * down + self._taps - 1, OUTPUTS * across + self._taps - 1)
        out = x.new_empty(count, deep, down, OUTPUTS, across, OUTPUTS, self.kernels.shape[-1])
        row_bytes = 4 * self._points**2 * depth * across * max(channels, out.shape[-1])
        rows = min(down, max(1, _STRIP_BYTES // row_bytes))
        together = max(1, _STRIP_BYTES // (row_bytes * rows))
        for first in range(0, count, together):
            samples = slice(first, first + together)
            for top in range(0, down, rows):
                out[samples, :, top : top + rows] = self._strip(pixels[samples], top, min(rows, down - top), across)
        whole = out.view(count, deep, down * OUTPUTS, across * OUTPUTS, -1)
        return whole[:, :, : height - self._taps + 1, : width - self._taps + 1].permute(0, 4, 1, 2, 3)

    def _padded(self, x: Tensor, depth: int, height: int, width: int) -> Tensor:
        """`[n, depth, height, width, i]` with zeros around the pixels."""
        pixels = x.new_zeros(len(x), depth, height, width, x.shape[1])
        (front, top, left), (deep, high, wide) = self._pads, x.shape[2:]
        pixels[:, front : front + deep, top : top + high, left : left + wide] = x.permute(0, 2, 3, 4, 1)
        return pixels

    def _strip(self, pixels: Tensor, top: int, rows: int, across: int) -> Tensor:
        """Tile rows from `top` on of pictures `[n, d, h, w, i]`, as `[n, d, rows, 4, across, 4, o]`."""
        (count, layers), points = pixels.shape[:2], self._points
        sample, deep, down, right, _ = pixels.stride()
        size = (points, points, layers, count, rows, across, pixels.shape[-1])
        stride = (down, right, deep, sample, OUTPUTS * down, OUTPUTS * right, 1)
        tiles = pixels.as_strided(size, stride, top * OUTPUTS * down + pixels.storage_offset())
        seen = _both_ways(self.before, tiles.reshape(points, -1)).view(points**2, layers, count * rows * across, -1)
        made = self._products(seen)
        if self.bias is not None:  # at the point 1 of both ways it counts alike for all outputs
            made[_ONE * points + _ONE] += self.bias
        shown = _both_ways(self.after, made.view(points, -1))
        return shown.view(OUTPUTS, OUTPUTS, -1, count, rows, across, made.shape[-1]).permute(3, 2, 4, 0, 5, 1, 6)

    def _products(self, seen: Tensor) -> Tensor:
        """At each point the products of `[points, layers, tiles, i]` with the kernels, `[points, d * tiles, o]`."""
        depth = seen.shape[1] - len(self.kernels) + 1
        made = torch.bmm(seen[:, :depth].flatten(1, 2), self.kernels[0])
        for tap, kernel in enumerate(self.kernels[1:], 1):
            made.baddbmm_(seen[:, tap : tap + depth].flatten(1, 2), kernel)
        return made


@cache
def matrices(taps: int, outputs: int = OUTPUTS) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """For the inputs `[p, p]`, the kernel `[p, taps]` and the outputs `[outputs, p]` of one way.

    There are p = `outputs` + `taps` - 1 points.

    ``back @ ((kernel @ g) * (there @ d))`` is the correlation of `d` `[p]` with `g` `[taps]`.
    """
    count = outputs + taps - 1
    values = np.array(_POINTS[: count - 1])
    powers = np.vander(values, count, increasing=True)
    at_infinity = np.eye(1, count, count - 1)
    there = np.linalg.inv(np.concatenate([powers, at_infinity]).T)
    kernel = np.concatenate([powers[:, :taps], np.eye(1, taps, taps - 1)])
    back = np.concatenate([powers[:, :outputs], np.eye(1, outputs, outputs - 1)]).T
    largest = np.abs(there).max(1, keepdims=True)
    return there / largest, kernel * largest, back


def _both_ways(matrix: Tensor, rows: Tensor) -> Tensor:
    """`matrix` `[q, p]` applied downwards and across, from `[p, p * n]` to `[q, q, n]`."""
    down = torch.mm(matrix, rows).view(len(matrix), matrix.shape[1], -1)
    return torch.bmm(matrix.expand(len(down), -1, -1), down)
