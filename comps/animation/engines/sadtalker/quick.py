"""The generator's two parts with fewer multiplications: the same function, to rounding.

Batch norms are folded into the convolutions before them, and a few identities save a fifth of the products:

- A 3x3 convolution of a picture whose pixels were doubled sees at most 2x2 different ones: it is four small
  convolutions of the picture as it was, whose results are interleaved; of a picture whose pixels were repeated four
  times, nine.
- All maps of the `Spade` norms that see the same features are made by one convolution, and the scale and shift of each
  norm by another.
- What a norm adds before a 1x1 convolution can be added after it, in the fewer channels it then has.
- Norms of the same input share its statistics, and those of repeated pixels are those of the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from comps.animation.engines.sadtalker.dense_motion import Decoder, DenseMotion, Hourglass
from comps.animation.engines.sadtalker.generator import SpadeGenerator
from comps.animation.engines.sadtalker.layers import Down3d, Same2d, Same3d, Up3d
from comps.animation.engines.sadtalker.spade import Spade, SpadeBlock

_SLOPE, _THIRD_SLOPE = 0.2, 0.01
_EPSILON = 1e-5
# Which taps of a 3-tap kernel fall on the earlier and on the later of two neighbouring pixels, for each place within a
# pixel that was doubled, or repeated four times (of which the middle two are alike).
_TWICE = (((0,), (1, 2)), ((0, 1), (2,)))
_FOUR_TIMES = (((0,), (1, 2)), ((), (0, 1, 2)), ((0, 1), (2,)))
_OFFSETS = {2: (0, 1), 3: (0, 0, 1)}
"""For each place, whether the pair of pixels begins at the one before the pixel (0) or at the pixel itself (1)."""
_PLACES = {2: (0, 1), 3: (0, 1, 1, 2)}
"""Of which place each output pixel within a repeated one is."""


class Repeated(nn.Module):
    """A 3x3 convolution (3x3x3 in three dimensions), and ReLU, of a picture whose pixels are repeated.

    Args:
        weight: `[o, i, 3, 3]` or `[o, i, 3, 3, 3]`.
        bias: `[o]`.
        times: how often a pixel is repeated both ways, 2 or 4.
    """

    def __init__(self, weight: Tensor, bias: Tensor, times: int) -> None:
        super().__init__()
        places = _TWICE if times == 2 else _FOUR_TIMES
        self._count = len(places)
        kernels = [_pooled(_pooled(weight, rows, -2), columns, -1) for rows, columns in product(places, places)]
        merged = torch.cat(kernels)
        flat = weight.dim() == 4
        layer = nn.Conv2d if flat else nn.Conv3d
        padding = 1 if flat else (1, 1, 1)
        self.conv = layer(weight.shape[1], len(merged), tuple(merged.shape[2:]), padding=padding)
        self.conv.weight.data = merged
        self.conv.bias.data = bias.repeat(len(kernels))

    def forward(self, x: Tensor) -> Tensor:
        """`[n, i, ..., h, w]` to `[n, o, ..., times * h, times * w]`."""
        height, width = x.shape[-2:]
        parts = torch.relu(self.conv(x)).chunk(self._count**2, 1)
        offsets = _OFFSETS[self._count]
        cut = [
            [
                parts[row * self._count + column][..., top : top + height, left : left + width]
                for column, left in enumerate(offsets)
            ]
            for row, top in enumerate(offsets)
        ]
        return _interleaved([[cut[row][column] for column in _PLACES[self._count]] for row in _PLACES[self._count]])


def _pooled(weight: Tensor, place: Sequence[Sequence[int]], axis: int) -> Tensor:
    """The two sums of kernel taps along `axis` that fall on the earlier and the later pixel."""
    taps = weight.unbind(axis)
    zero = torch.zeros_like(taps[0])
    return torch.stack([sum((taps[tap] for tap in group), zero) for group in place], axis)


def _interleaved(parts: list[list[Tensor]]) -> Tensor:
    """One picture of those at each place within its pixels, channels innermost in memory."""
    rows = [torch.stack([part.movedim(1, -1) for part in row], -2).flatten(-3, -2) for row in parts]
    return torch.stack(rows, -3).flatten(-4, -3).movedim(-1, 1)


class QuickUp3d(nn.Module):
    """An `Up3d`, its norm folded."""

    def __init__(self, block: Up3d) -> None:
        super().__init__()
        self.repeated = Repeated(*_folded(block), times=2)

    def forward(self, x: Tensor) -> Tensor:
        """See `Up3d`."""
        out: Tensor = self.repeated(x)
        return out


class QuickDown3d(nn.Module):
    """A `Down3d`, its norm folded."""

    def __init__(self, block: Down3d) -> None:
        super().__init__()
        self.conv = _convolution(*_folded(block))

    def forward(self, x: Tensor) -> Tensor:
        """See `Down3d`."""
        y = torch.relu(self.conv(x))
        return F.avg_pool2d(y.flatten(1, 2), 2).unflatten(1, y.shape[1:3])


class QuickWeigher(nn.Module):
    """`DenseMotion.weigh`."""

    def __init__(self, network: DenseMotion) -> None:
        super().__init__()
        hourglass: Hourglass = network.hourglass
        self.down_blocks = nn.ModuleList(QuickDown3d(block) for block in hourglass.encoder.down_blocks)
        self.up_blocks = nn.ModuleList(QuickUp3d(block) for block in hourglass.decoder.up_blocks)
        self.conv = _convolution(*_folded(hourglass.decoder))
        self.mask, self.occlusion = network.mask, network.occlusion

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """See `DenseMotion.weigh`."""
        outputs = [seen]
        for block in self.down_blocks:
            outputs.append(block(outputs[-1]))
        x = outputs[-1]
        for block, skip in zip(self.up_blocks, reversed(outputs[:-1]), strict=True):
            x = torch.cat([block(x), skip], 1)
        features = torch.relu(self.conv(x))
        mask = F.softmax(self.mask(features), 1)
        return mask, torch.sigmoid(self.occlusion(features.flatten(1, 2)))


class QuickSpade(nn.Module):
    """Scale and shift of a `Spade`, by one convolution; `after`, a 1x1 kernel, is what the shift is added behind."""

    def __init__(self, norm: Spade, after: Tensor | None = None) -> None:
        super().__init__()
        scale, shift = norm.mlp_gamma, norm.mlp_beta
        weight, bias = shift.weight, shift.bias
        if after is not None:
            matrix = after[:, :, 0, 0]
            weight, bias = torch.einsum("oc,cikl->oikl", matrix, weight), matrix @ bias
        self._channels = len(scale.weight)
        self.conv = _convolution(torch.cat([scale.weight, weight]), torch.cat([scale.bias + 1, bias]))

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Scale (one added) and shift of the map `hidden` `[n, 128, h, w]`."""
        both = self.conv(hidden)
        return both[:, : self._channels], both[:, self._channels :]


class QuickBlock(nn.Module):
    """A `SpadeBlock` that is given the maps of its norms; where its shortcut is learned, it doubles the pixels first."""

    def __init__(self, block: SpadeBlock) -> None:
        super().__init__()
        self.learned = block.learned
        self.norm_0, self.norm_1 = QuickSpade(block.norm_0), QuickSpade(block.norm_1)
        self.conv_0 = _convolution(block.conv_0.weight, block.conv_0.bias)
        self.conv_1 = _convolution(block.conv_1.weight, block.conv_1.bias)
        if self.learned:
            self.norm_s = QuickSpade(block.norm_s, after=block.conv_s.weight)
            self.conv_s = _convolution(block.conv_s.weight, None)

    def forward(self, x: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """`x` `[n, c, h, w]`; `maps` of `norm_0`, `norm_1` and, where there is one, `norm_s`, `[n, 128, h', w']` each."""
        normed = _normed(x)
        if self.learned:
            normed = F.interpolate(normed, scale_factor=2)
        scale, shift = self.norm_0(maps[0])
        y = self.conv_0(F.leaky_relu(torch.addcmul(shift, normed, scale), _SLOPE))
        scale, shift = self.norm_1(maps[1])
        y = self.conv_1(F.leaky_relu(torch.addcmul(shift, _normed(y), scale), _SLOPE))
        if not self.learned:
            return x + y
        scale, shift = self.norm_s(maps[2])
        out: Tensor = self.conv_s(normed * scale) + shift + y
        return out


class QuickPainter(nn.Module):
    """`SpadeGenerator.paint`."""

    def __init__(self, network: SpadeGenerator) -> None:
        super().__init__()
        decoder = network.decoder
        self.third, self.fourth = _convolution(*_folded(network.third)), network.fourth
        self.fc, self.conv_img = decoder.fc, decoder.conv_img
        middle = [decoder.get_submodule(f"G_middle_{index}") for index in range(6)]
        first = [norm for block in middle for norm in (block.norm_0, block.norm_1)]
        self.blocks = nn.ModuleList(QuickBlock(block) for block in middle)
        self.up_0, self.up_1 = QuickBlock(decoder.up_0), QuickBlock(decoder.up_1)
        self.maps = _convolution(*_stacked(first))
        self.maps_0 = Repeated(*_stacked(_norms(decoder.up_0)), times=2)
        self.maps_1 = Repeated(*_stacked(_norms(decoder.up_1)), times=4)

    def forward(self, features: Tensor, occlusion: Tensor) -> Tensor:
        """See `SpadeGenerator.paint`."""
        seen = self.fourth(F.leaky_relu(self.third(features), _THIRD_SLOPE)) * occlusion
        x = self.fc(seen)
        maps = torch.relu(self.maps(seen)).chunk(2 * len(self.blocks), 1)
        for index, block in enumerate(self.blocks):
            x = block(x, maps[2 * index : 2 * index + 2])
        x = self.up_0(x, self.maps_0(seen).chunk(3, 1))
        x = self.up_1(x, self.maps_1(seen).chunk(3, 1))
        return torch.sigmoid(self.conv_img(F.leaky_relu(x, _SLOPE)))


def _normed(x: Tensor) -> Tensor:
    """`F.instance_norm` that keeps the channels innermost: several times as quick then."""
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
    centred = pixels - pixels.mean(1, keepdim=True)
    scaled = centred * torch.rsqrt(centred.square().mean(1, keepdim=True) + _EPSILON)
    return scaled.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


def _norms(block: SpadeBlock) -> list[Spade]:
    return [block.norm_0, block.norm_1, block.norm_s]


def _stacked(norms: Sequence[Spade]) -> tuple[Tensor, Tensor]:
    """Weight and bias of one convolution that makes the maps of all `norms`."""
    layers = [norm.mlp_shared[0] for norm in norms]
    return torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])


def _convolution(weight: Tensor, bias: Tensor | None) -> nn.Conv2d | nn.Conv3d:
    """A convolution of unchanged size with these numbers."""
    outputs, inputs, *kernel = weight.shape
    layer = nn.Conv2d if len(kernel) == 2 else nn.Conv3d
    with torch.device("meta"):
        made = layer(inputs, outputs, tuple(kernel), padding=tuple(side // 2 for side in kernel), bias=bias is not None)
    made.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return made


def _folded(block: Same2d | Same3d | Decoder) -> tuple[Tensor, Tensor]:
    """Weight and bias of the block's convolution with the norm behind it, computed in float64."""
    layer, norm = block.conv, block.norm
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert layer.bias is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    bias = (layer.bias.double() - norm.running_mean.double()) * scale + norm.bias.double()
    weight = layer.weight.double() * scale.view(-1, *(1 for _ in layer.weight.shape[1:]))
    return weight.float().detach(), bias.float().detach()
