"""DenseMotion: from two sets of key points to where every voxel of the source's features goes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from comps.animation.engines.sadtalker.layers import Down3d, Up3d, voxel_grid
from comps.animation.engines.sadtalker.mapping import KEYPOINTS

_COMPRESSED = 4
_MOTIONS = KEYPOINTS + 1
"""One per key point, and first the background, which stands still."""
_DEPTH = 16
_INPUTS = _MOTIONS * (_COMPRESSED + 1)
_DOWN = (_INPUTS, 64, 128, 256, 512, 1024)
_UP = ((1024, 512), (1024, 256), (512, 128), (256, 64), (128, 32))
_OUTPUTS = 32 + _INPUTS
_VARIANCE = 0.01
"""Of the Gaussians around key points, in the square of the units of the grid."""
_LEAST_MASK = 1e-3
"""Weights of motions below this are dropped, and the rest is not scaled up: as the networks were trained."""


class Flow(NamedTuple):
    """`deformation` `[n, 16, h, w, 3]` in coordinates of the grid, `occlusion` `[n, 1, h, w]` in 0..1 (1 is seen) and
    `mask` `[n, 16 motions, 16, h, w]`, what share of each voxel follows each motion."""

    deformation: Tensor
    occlusion: Tensor
    mask: Tensor


class Encoder(nn.Module):
    """The way down of the hourglass."""

    def __init__(self) -> None:
        super().__init__()
        self.down_blocks = nn.ModuleList(Down3d(a, b) for a, b in pairwise(_DOWN))

    def forward(self, x: Tensor) -> list[Tensor]:
        """The input and what every block made of it."""
        outputs = [x]
        for block in self.down_blocks:
            outputs.append(block(outputs[-1]))
        return outputs


class Decoder(nn.Module):
    """The way up of the hourglass, each step beside what the way down had at that size."""

    def __init__(self) -> None:
        super().__init__()
        self.up_blocks = nn.ModuleList(Up3d(a, b) for a, b in _UP)
        self.conv = nn.Conv3d(_OUTPUTS, _OUTPUTS, 3, padding=1)
        self.norm = nn.BatchNorm3d(_OUTPUTS)

    def forward(self, outputs: list[Tensor]) -> Tensor:
        """What `Encoder` gave to `[n, 112, 16, h, w]`."""
        x = outputs[-1]
        for block, skip in zip(self.up_blocks, reversed(outputs[:-1]), strict=True):
            x = torch.cat([block(x), skip], 1)
        return torch.relu(self.norm(self.conv(x)))


class Hourglass(nn.Module):
    """Features at every voxel that know of the whole volume."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def forward(self, x: Tensor) -> Tensor:
        """`[n, 80, 16, h, w]` to `[n, 112, 16, h, w]`; h and w are multiples of 32."""
        out: Tensor = self.decoder(self.encoder(x))
        return out


class DenseMotion(nn.Module):
    """Mixes the motions of 15 key points and the background into one deformation of the source's features."""

    def __init__(self) -> None:
        super().__init__()
        self.hourglass = Hourglass()
        self.mask = nn.Conv3d(_OUTPUTS, _MOTIONS, 7, padding=3)
        self.compress = nn.Conv3d(32, _COMPRESSED, 1)
        self.norm = nn.BatchNorm3d(_COMPRESSED)
        self.occlusion = nn.Conv2d(_OUTPUTS * _DEPTH, 1, 7, padding=3)

    def compressed(self, features: Tensor) -> Tensor:
        """Features `[n, 32, 16, h, w]` of the source in four channels: all that is seen of them here."""
        return torch.relu(self.norm(self.compress(features)))

    def weigh(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """How much each motion counts at each voxel, `[n, 16 motions, 16, h, w]`, and what is occluded, `[n, 1, h, w]`.

        `seen` is what `seen_motions` gives. Both lie in 0..1; this part has nothing but convolutions in it.
        """
        features = self.hourglass(seen)
        mask = F.softmax(self.mask(features), 1)
        return mask, torch.sigmoid(self.occlusion(features.flatten(1, 2)))

    def forward(self, compressed: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Flow:
        """The flow from source to driving key points, both `[n, 15, 3]`, of `compressed` `[n, 4, 16, h, w]`."""
        motions = sparse_motions(compressed.shape[2:], kp_source, kp_driving)
        mask, occlusion = self.weigh(seen_motions(compressed, motions, kp_source, kp_driving))
        return Flow(deformation(mask, motions), occlusion, mask)


def sparse_motions(shape: Sequence[int], kp_source: Tensor, kp_driving: Tensor) -> Tensor:
    """Where each of the 16 motions takes every voxel of a volume of `shape` (d, h, w) from, `[n, 16, d, h, w, 3]`."""
    shift = F.pad(kp_source - kp_driving, (0, 0, 1, 0))
    return voxel_grid(shape, like=kp_source) + shift[:, :, None, None, None]


def seen_motions(compressed: Tensor, motions: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
    """What the network judges the motions by, `[n, 80, 16, h, w]`: of each a heat map and the features it brings."""
    heat = _heat(compressed.shape[2:], kp_source, kp_driving)
    return torch.cat([heat, _moved(compressed, motions)], 2).flatten(1, 2)


def deformation(mask: Tensor, motions: Tensor) -> Tensor:
    """The motions mixed as `mask` has it, `[n, d, h, w, 3]`."""
    kept = torch.where(mask < _LEAST_MASK, torch.zeros_like(mask), mask)
    return torch.einsum("nkdhw,nkdhwc->ndhwc", kept, motions)


def _moved(compressed: Tensor, motions: Tensor) -> Tensor:
    """The compressed features after each motion, `[n, 16, 4, d, h, w]`."""
    # The 16 volumes are sampled as one that is 16 times as deep: the features need not be repeated for it.
    sampled = F.grid_sample(compressed, motions.flatten(1, 2), align_corners=False)
    return sampled.unflatten(2, motions.shape[1:3]).transpose(1, 2)


def _heat(shape: Sequence[int], kp_source: Tensor, kp_driving: Tensor) -> Tensor:
    """Gaussians at the driving points less those at the source's, `[n, 16, 1, d, h, w]`; none for the background."""
    heat = _gaussians(kp_driving, shape) - _gaussians(kp_source, shape)
    return F.pad(heat, (0, 0, 0, 0, 0, 0, 1, 0))[:, :, None]


def _gaussians(points: Tensor, shape: Sequence[int]) -> Tensor:
    """A Gaussian of height 1 around each of `points` `[n, 15, 3]` in a volume of `shape` (d, h, w)."""
    factors = []
    for axis, size in zip((2, 1, 0), shape, strict=True):
        line = torch.linspace(-1, 1, size, device=points.device, dtype=points.dtype)
        factors.append(torch.exp(-((line - points[:, :, axis, None]) ** 2) / (2 * _VARIANCE)))
    z, y, x = factors
    return z[..., :, None, None] * y[..., None, :, None] * x[..., None, None, :]
