"""GFPGAN, clean architecture: a degraded face in, the same face restored out.

A U-Net reads the face; what it found steers a StyleGAN2 decoder: one latent per layer, and a scale and a shift of half
the channels at every size. Source: Wang et al., "Towards Real-World Blind Face Restoration with Generative Facial
Prior", 2021, and Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020. Key names are those of
the published checkpoints v1.2 to v1.4, so that their state dict loads strictly.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 512
"""Width and height in pixels of a face."""
STYLE = 512
"""Numbers of a latent."""
LEVELS = 7
"""Sizes above 4 pixels: 8, 16 ... 512."""
LATENTS = 2 * (LEVELS + 1)
_ENCODER_WIDTHS = (32, 64, 128, 256, 256, 256, 256, 256)
"""Channels of the U-Net at 512, 256 ... 4 pixels."""
_DECODER_WIDTHS = (512, 512, 512, 512, 512, 256, 128, 64)
"""Channels of the decoder at 4, 8 ... 512 pixels."""
_SLOPE = 0.2
_MAPPING_LAYERS = 8


class GFPGAN(nn.Module):
    """The noise that StyleGAN2 adds is the stored one, so that equal faces give equal pictures."""

    def __init__(self) -> None:
        super().__init__()
        widths = _ENCODER_WIDTHS
        up = widths[::-1]
        self.conv_body_first = nn.Conv2d(3, widths[0], 1)
        self.conv_body_down = nn.ModuleList(_Residual(*pair, scale=0.5) for pair in pairwise(widths))
        self.final_conv = nn.Conv2d(widths[-1], widths[-1], 3, padding=1)
        self.conv_body_up = nn.ModuleList(_Residual(*pair, scale=2.0) for pair in pairwise(up))
        # What training compares at each size; inference does not need it, but the checkpoints hold it.
        self.toRGB = nn.ModuleList(nn.Conv2d(width, 3, 1) for width in up[1:])
        self.final_linear = nn.Linear(widths[-1] * 4 * 4, LATENTS * STYLE)
        self.stylegan_decoder = StyleDecoder()
        self.condition_scale = nn.ModuleList(_condition(width) for width in up[1:])
        self.condition_shift = nn.ModuleList(_condition(width) for width in up[1:])

    def forward(self, faces: Tensor) -> Tensor:
        """Restored faces `[n, 3, 512, 512]`, nominally -1..1.

        Args:
            faces: `[n, 3, 512, 512]`, RGB in -1..1, aligned as `align.py` does.
        """
        latents, scales, shifts = self.encode(faces)
        restored: Tensor = self.stylegan_decoder(latents, scales, shifts)
        return restored

    def encode(self, faces: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """What the decoder is told: latents `[n, 16, 512]`, and per size from 8 to 512 pixels a scale and a shift.

        Both are `[n, c, s, s]`, c being half the channels of the decoder at that size.
        """
        x = F.leaky_relu(self.conv_body_first(faces), _SLOPE)
        kept = []
        for unit in self.conv_body_down:
            x = unit(x)
            kept.append(x)
        x = F.leaky_relu(self.final_conv(x), _SLOPE)
        latents = self.final_linear(x.flatten(1)).view(x.shape[0], LATENTS, STYLE)
        scales, shifts = [], []
        for unit, skip, scale, shift in zip(
            self.conv_body_up, reversed(kept), self.condition_scale, self.condition_shift, strict=True
        ):
            x = unit(x + skip)
            scales.append(scale(x))
            shifts.append(shift(x))
        return latents, scales, shifts


class StyleDecoder(nn.Module):
    """StyleGAN2's synthesis network; half of the channels of every size take a scale and a shift from outside."""

    def __init__(self) -> None:
        super().__init__()
        # From a random vector to a latent: the U-Net gives latents itself, but the checkpoints hold these layers.
        mapping: list[nn.Module] = [nn.Identity()]
        for _ in range(_MAPPING_LAYERS):
            mapping += [nn.Linear(STYLE, STYLE), nn.LeakyReLU(_SLOPE)]
        self.style_mlp = nn.Sequential(*mapping)
        self.constant_input = _Constant()
        self.style_conv1 = StyledConv(_DECODER_WIDTHS[0], _DECODER_WIDTHS[0])
        self.to_rgb1 = ToRGB(_DECODER_WIDTHS[0])
        self.style_convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        self.noises = _Noises()
        for inputs, outputs in pairwise(_DECODER_WIDTHS):
            self.style_convs.append(StyledConv(inputs, outputs, upsample=True))
            self.style_convs.append(StyledConv(outputs, outputs))
            self.to_rgbs.append(ToRGB(outputs))

    def forward(self, latents: Tensor, scales: list[Tensor], shifts: list[Tensor]) -> Tensor:
        """Pictures `[n, 3, 512, 512]`; the arguments are what `GFPGAN.encode` gives."""
        noises = list(self.noises.buffers())
        x = self.constant_input.weight.expand(latents.shape[0], -1, -1, -1)
        x = self.style_conv1(x, latents[:, 0], noises[0])
        picture = self.to_rgb1(x, latents[:, 1])
        for level in range(LEVELS):
            first, second = 1 + 2 * level, 2 + 2 * level
            x = self.style_convs[2 * level](x, latents[:, first], noises[first])
            free, steered = x.chunk(2, 1)
            x = torch.cat([free, steered * scales[level] + shifts[level]], 1)
            x = self.style_convs[2 * level + 1](x, latents[:, second], noises[second])
            picture = self.to_rgbs[level](x, latents[:, second + 1]) + _resized(picture, 2.0)
        return picture


class ModulatedConv(nn.Module):
    """A convolution whose kernel each sample scales by its own style.

    The style multiplies the input and its normalisation the output, which is the same as building a kernel per sample
    and lets the whole batch share one.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, demodulate: bool = True) -> None:
        super().__init__()
        self.modulation = nn.Linear(STYLE, inputs)
        self.weight = nn.Parameter(torch.empty(1, outputs, inputs, kernel, kernel))
        self._demodulate = demodulate

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        """`[n, inputs, h, w]` and latents `[n, 512]` to `[n, outputs, h, w]`."""
        style = self.modulation(latent)
        kernel = self.weight[0]
        y = F.conv2d(x * style[:, :, None, None], kernel, padding=kernel.shape[-1] // 2)
        if not self._demodulate:
            return y
        # Squares in float32: sums over 4608 values lose their small ones in half precision.
        power = kernel.float().square().sum((2, 3)) @ style.float().square().T
        return y * torch.rsqrt(power.T + 1e-8).to(y.dtype)[:, :, None, None]


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, LeakyReLU; with `upsample` at twice the size."""

    def __init__(self, inputs: int, outputs: int, *, upsample: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(1, outputs, 1, 1))
        self.modulated_conv = ModulatedConv(inputs, outputs, 3)
        self.upsample = upsample

    def forward(self, x: Tensor, latent: Tensor, noise: Tensor) -> Tensor:
        """`[n, inputs, h, w]`, latents `[n, 512]` and noise `[1, 1, h', w']` to `[n, outputs, h', w']`."""
        if self.upsample:
            x = _resized(x, 2.0)
        y = self.modulated_conv(x, latent) * math.sqrt(2.0)
        return F.leaky_relu(y + self.weight * noise + self.bias, _SLOPE)


class ToRGB(nn.Module):
    """The picture as one size of the decoder sees it."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.modulated_conv = ModulatedConv(inputs, 3, 1, demodulate=False)

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        """`[n, inputs, h, w]` and latents `[n, 512]` to `[n, 3, h, w]`."""
        picture: Tensor = self.modulated_conv(x, latent) + self.bias
        return picture


class _Residual(nn.Module):
    """Two convolutions around a change of size, and the resized input added."""

    def __init__(self, inputs: int, outputs: int, *, scale: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.conv2 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)
        self._scale = scale

    def forward(self, x: Tensor) -> Tensor:
        y = _resized(F.leaky_relu(self.conv1(x), _SLOPE), self._scale)
        # A 1x1 convolution without a bias and a change of size commute: the one that makes less comes first.
        kept = _resized(self.skip(x), self._scale) if self._scale > 1 else self.skip(_resized(x, self._scale))
        return F.leaky_relu(self.conv2(y), _SLOPE) + kept


class _Constant(nn.Module):
    """The 4x4 pixels that every picture begins with."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, _DECODER_WIDTHS[0], 4, 4))


class _Noises(nn.Module):
    """The noise of every styled convolution, one of 4 pixels and two of each size above."""

    def __init__(self) -> None:
        super().__init__()
        for index in range(2 * LEVELS + 1):
            side = 2 ** ((index + 5) // 2)
            self.register_buffer(f"noise{index}", torch.zeros(1, 1, side, side))


def _condition(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(_SLOPE), nn.Conv2d(width, width, 3, padding=1)
    )


def _resized(x: Tensor, scale: float) -> Tensor:
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
