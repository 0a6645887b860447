"""ResUnet: the network inside PoseVAE that treats 32 frames of six pose numbers as a small picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_FILTERS = (32, 64, 128, 256)
_HALVED = (2, 1)
"""Strides halve the time axis and leave the six pose numbers apart."""


class ResidualConv(nn.Module):
    """Two convolutions that are normalised before they act, beside a normalised convolution as shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int | tuple[int, int]) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 3, stride, 1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        self.conv_skip = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """`[n, inputs, h, w]` to `[n, outputs, h / stride, w]`."""
        out: Tensor = self.conv_block(x) + self.conv_skip(x)
        return out


class Upsample(nn.Module):
    """Doubles the time axis."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(channels, channels, _HALVED, _HALVED)

    def forward(self, x: Tensor) -> Tensor:
        """`[n, c, h, w]` to `[n, c, 2 h, w]`."""
        out: Tensor = self.upsample(x)
        return out


class ResUnet(nn.Module):
    """Residual U-net on pictures `[n, 1, 32, 6]`; the result lies in 0..1. Source: Zhang et al., 2017."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = _FILTERS
        self.input_layer = nn.Sequential(
            nn.Conv2d(1, a, 3, padding=1), nn.BatchNorm2d(a), nn.ReLU(), nn.Conv2d(a, a, 3, padding=1)
        )
        self.input_skip = nn.Sequential(nn.Conv2d(1, a, 3, padding=1))
        self.residual_conv_1 = ResidualConv(a, b, _HALVED)
        self.residual_conv_2 = ResidualConv(b, c, _HALVED)
        self.bridge = ResidualConv(c, d, _HALVED)
        self.upsample_1 = Upsample(d)
        self.up_residual_conv1 = ResidualConv(d + c, c, 1)
        self.upsample_2 = Upsample(c)
        self.up_residual_conv2 = ResidualConv(c + b, b, 1)
        self.upsample_3 = Upsample(b)
        self.up_residual_conv3 = ResidualConv(b + a, a, 1)
        self.output_layer = nn.Sequential(nn.Conv2d(a, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """`[n, 1, 32, 6]` to the same shape."""
        x1 = self.input_layer(x) + self.input_skip(x)
        x2 = self.residual_conv_1(x1)
        x3 = self.residual_conv_2(x2)
        y = self.bridge(x3)
        y = self.up_residual_conv1(torch.cat([self.upsample_1(y), x3], 1))
        y = self.up_residual_conv2(torch.cat([self.upsample_2(y), x2], 1))
        y = self.up_residual_conv3(torch.cat([self.upsample_3(y), x1], 1))
        out: Tensor = self.output_layer(y)
        return out
