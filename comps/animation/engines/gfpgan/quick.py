"""GFPGAN with fewer passes over memory: the same function, to rounding.

What depends on the weights alone is computed once, factors per channel are multiplied before they meet a picture, and
the convolutions are layers, so that a backend can replace them.
"""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from comps.animation.engines.gfpgan.network import GFPGAN, ModulatedConv, StyledConv

_SLOPE = 0.2


class QuickModulatedConv(nn.Module):
    """A `ModulatedConv` whose convolution is a layer; with a `gain` the output's scale is told apart from it."""

    def __init__(self, conv: ModulatedConv, gain: float = 1.0) -> None:
        super().__init__()
        kernel = conv.weight[0].detach()
        outputs, inputs, side, _ = kernel.shape
        self.modulation = conv.modulation
        with torch.device("meta"):
            self.conv = nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=False)
        self.conv.weight = nn.Parameter(kernel, requires_grad=False)
        self.register_buffer("power", kernel.square().sum((2, 3)).T.contiguous())
        self._gain = gain

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        """`[n, inputs, h, w]` and latents `[n, 512]` to `[n, outputs, h, w]`, not normalised."""
        out: Tensor = self.conv(x * self.modulation(latent)[:, :, None, None])
        return out

    def scale(self, latent: Tensor) -> Tensor:
        """What normalises the output of these latents, times the gain, `[n, outputs, 1, 1]`."""
        # Squares in float32: sums over 4608 values lose their small ones in half precision.
        power = self.modulation(latent).float().square() @ self.power.float()
        return (torch.rsqrt(power + 1e-8) * self._gain).to(latent.dtype)[:, :, None, None]


class QuickStyledConv(nn.Module):
    """A `StyledConv`."""

    def __init__(self, styled: StyledConv) -> None:
        super().__init__()
        self.weight, self.bias = styled.weight, styled.bias
        self.convolution = QuickModulatedConv(styled.modulated_conv, math.sqrt(2.0))
        self._upsample = styled.upsample

    def forward(self, x: Tensor, latent: Tensor, noise: Tensor) -> Tensor:
        """See `StyledConv`."""
        if self._upsample:
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        y = torch.addcmul(self.bias, self.convolution(x, latent), self.convolution.scale(latent))
        return F.leaky_relu(y + self.weight * noise, _SLOPE)


class QuickPlainConv(nn.Module):
    """A `ModulatedConv` without normalisation."""

    def __init__(self, conv: ModulatedConv) -> None:
        super().__init__()
        self.convolution = QuickModulatedConv(conv)

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        """See `ModulatedConv`."""
        out: Tensor = self.convolution(x, latent)
        return out


def quick(network: GFPGAN) -> GFPGAN:
    """The network with its styled convolutions replaced; it shares the weights of `network`, which is left as it is."""
    memo = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    made = copy.deepcopy(network, memo)
    decoder = made.stylegan_decoder
    decoder.style_conv1 = QuickStyledConv(decoder.style_conv1)
    decoder.style_convs = nn.ModuleList(QuickStyledConv(conv) for conv in decoder.style_convs)
    for layer in (decoder.to_rgb1, *decoder.to_rgbs):
        layer.modulated_conv = QuickPlainConv(layer.modulated_conv)
    return made
