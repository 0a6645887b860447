"""Layers that the key-point detector, the dense motion network and the generator share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Same2d(nn.Module):
    """Convolution 3x3, batch norm, ReLU with a `slope` below zero."""

    def __init__(self, inputs: int, outputs: int, slope: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm2d(outputs)
        self._slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """`[n, inputs, h, w]` to `[n, outputs, h, w]`."""
        y = self.norm(self.conv(x))
        return F.leaky_relu(y, self._slope) if self._slope else torch.relu(y)


class Down2d(Same2d):
    """A `Same2d` and the mean of every 2x2 pixels."""

    def forward(self, x: Tensor) -> Tensor:
        """`[n, inputs, h, w]` to `[n, outputs, h / 2, w / 2]`."""
        return F.avg_pool2d(super().forward(x), 2)


class Same3d(nn.Module):
    """Convolution 3x3x3, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """`[n, inputs, d, h, w]` to `[n, outputs, d, h, w]`."""
        return torch.relu(self.norm(self.conv(x)))


class Down3d(Same3d):
    """A `Same3d` and the mean of every 2x2 pixels of a layer; the depth stays."""

    def forward(self, x: Tensor) -> Tensor:
        """`[n, inputs, d, h, w]` to `[n, outputs, d, h / 2, w / 2]`."""
        y = super().forward(x)
        # As one picture per layer, because the mean of a volume has no bfloat16 kernel on a CPU.
        return F.avg_pool2d(y.flatten(1, 2), 2).unflatten(1, y.shape[1:3])


class Up3d(Same3d):
    """Every pixel of a layer doubled both ways, then a `Same3d`; the depth stays."""

    def forward(self, x: Tensor) -> Tensor:
        """`[n, inputs, d, h, w]` to `[n, outputs, d, 2 h, 2 w]`."""
        return super().forward(F.interpolate(x, scale_factor=(1, 2, 2)))


def voxel_grid(shape: Sequence[int], like: Tensor) -> Tensor:
    """Coordinates (x, y, z) `[d, h, w, 3]` of all voxels of a `shape` (d, h, w), in -1..1 with both ends included."""
    axes = [torch.linspace(-1, 1, size, device=like.device, dtype=like.dtype) for size in shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([x, y, z], -1)
