"""SpadeDecoder: the picture from the moved features, which steer every normalisation on the way.

Source: Park et al., Semantic Image Synthesis with Spatially-Adaptive Normalization, 2019.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAP = 256
"""Channels of the features that steer the decoder."""
_HIDDEN = 128
_WIDTH = 512
_MIDDLE = 6
_SLOPE = 0.2


class SpectralConv2d(nn.Module):
    """Convolution of unit spectral norm, the norm by the stored singular vectors; folded when weights are loaded."""

    weight: Tensor
    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, bias: bool = True) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.weight_orig = nn.Parameter(torch.zeros(outputs, inputs, kernel, kernel))
        self.register_buffer("weight_u", torch.zeros(outputs))
        self.register_buffer("weight_v", torch.zeros(inputs * kernel * kernel))
        self.register_buffer("weight", torch.zeros(outputs, inputs, kernel, kernel), persistent=False)
        self.register_load_state_dict_post_hook(_fold)

    def forward(self, x: Tensor) -> Tensor:
        """`[n, inputs, h, w]` to `[n, outputs, h, w]`."""
        return F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)

    def fold(self) -> None:
        """Divide by the spectral norm once; called by itself after every `load_state_dict`."""
        original = self.weight_orig.detach()
        self.weight = original / torch.dot(self.weight_u, torch.mv(original.flatten(1), self.weight_v))


def _fold(module: Any, incompatible: object) -> None:
    module.fold()


class Spade(nn.Module):
    """Instance norm whose scale and shift at every pixel come from a map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(MAP, _HIDDEN, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(_HIDDEN, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(_HIDDEN, channels, 3, padding=1)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """`x` `[n, c, h, w]` normalised by the map `features` `[n, 256, h', w']`."""
        hidden = self.mlp_shared(F.interpolate(features, size=x.shape[2:]))
        return F.instance_norm(x) * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)


class SpadeBlock(nn.Module):
    """A residual unit of two `Spade` convolutions; a change of width is learned by its shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.learned = inputs != outputs
        self.conv_0 = SpectralConv2d(inputs, middle, 3)
        self.conv_1 = SpectralConv2d(middle, outputs, 3)
        if self.learned:
            self.conv_s = SpectralConv2d(inputs, outputs, 1, bias=False)
        self.norm_0 = Spade(inputs)
        self.norm_1 = Spade(middle)
        if self.learned:
            self.norm_s = Spade(inputs)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """`[n, inputs, h, w]` to `[n, outputs, h, w]`."""
        y = self.conv_0(F.leaky_relu(self.norm_0(x, features), _SLOPE))
        y = self.conv_1(F.leaky_relu(self.norm_1(y, features), _SLOPE))
        shortcut = self.conv_s(self.norm_s(x, features)) if self.learned else x
        out: Tensor = shortcut + y
        return out


class SpadeDecoder(nn.Module):
    """Features of a quarter of the picture's width and height to the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Conv2d(MAP, _WIDTH, 3, padding=1)
        for index in range(_MIDDLE):
            self.add_module(f"G_middle_{index}", SpadeBlock(_WIDTH, _WIDTH))
        self.up_0 = SpadeBlock(_WIDTH, 256)
        self.up_1 = SpadeBlock(256, 64)
        self.conv_img = nn.Conv2d(64, 3, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """`[n, 256, h, w]` to pictures `[n, 3, 4 h, 4 w]` in 0..1."""
        x = self.fc(features)
        for index in range(_MIDDLE):
            x = self.get_submodule(f"G_middle_{index}")(x, features)
        x = self.up_0(F.interpolate(x, scale_factor=2), features)
        x = self.up_1(F.interpolate(x, scale_factor=2), features)
        return torch.sigmoid(self.conv_img(F.leaky_relu(x, _SLOPE)))
