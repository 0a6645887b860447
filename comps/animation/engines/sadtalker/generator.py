"""SpadeGenerator: the source picture with its key points somewhere else.

What depends on the source alone (`encode_source`) is apart from what every frame needs (`draw`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from comps.animation.engines.sadtalker.dense_motion import DenseMotion
from comps.animation.engines.sadtalker.layers import Down2d, Same2d
from comps.animation.engines.sadtalker.spade import MAP, SpadeDecoder

_CHANNELS, _DEPTH = 32, 16
_RESIDUALS = 6


class Source(NamedTuple):
    """What frames need of a picture: `features` `[n, 32, 16, s / 4, s / 4]` and, of the same, four `compressed` channels."""

    features: Tensor
    compressed: Tensor

    def repeated(self, count: int) -> Source:
        """The source of one picture for `count` frames, without a copy."""
        return Source(*(part.expand(count, -1, -1, -1, -1) for part in self))


class Residual3d(nn.Module):
    """Two 3-D convolutions, each after norm and ReLU, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm3d(channels)
        self.norm2 = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """`[n, c, d, h, w]` to the same shape."""
        y = self.conv1(torch.relu(self.norm1(x)))
        out: Tensor = x + self.conv2(torch.relu(self.norm2(y)))
        return out


class SpadeGenerator(nn.Module):
    """Warps the features of a picture in space and draws the result. Source: SadTalker's face renderer, after
    Wang et al., One-Shot Free-View Neural Talking-Head Synthesis, 2021; the same for 256 and 512 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.dense_motion_network = DenseMotion()
        self.first = Same2d(3, 64)
        self.down_blocks = nn.ModuleList([Down2d(64, 128), Down2d(128, MAP)])
        self.second = nn.Conv2d(MAP, _CHANNELS * _DEPTH, 1)
        self.resblocks_3d = nn.Sequential()
        for index in range(_RESIDUALS):
            self.resblocks_3d.add_module(f"3dr{index}", Residual3d(_CHANNELS))
        self.third = Same2d(_CHANNELS * _DEPTH, MAP, slope=0.01)
        self.fourth = nn.Conv2d(MAP, MAP, 1)
        self.decoder = SpadeDecoder()

    def encode_source(self, pictures: Tensor) -> Source:
        """What frames need of RGB pictures `[n, 3, s, s]` in 0..1, s a multiple of 128."""
        x = self.first(pictures)
        for block in self.down_blocks:
            x = block(x)
        features = self.resblocks_3d(self.second(x).unflatten(1, (_CHANNELS, _DEPTH)))
        return Source(features, self.dense_motion_network.compressed(features))

    def draw(self, source: Source, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
        """Pictures `[n, 3, s, s]` in 0..1 of `source` with its points moved from `kp_source` to `kp_driving`.

        The key points are `[n, 15, 3]`, x, y and z in -1..1.
        """
        flow = self.dense_motion_network(source.compressed, kp_source, kp_driving)
        return self.paint(warped(source, flow.deformation), flow.occlusion)

    def paint(self, features: Tensor, occlusion: Tensor) -> Tensor:
        """Pictures `[n, 3, 4 h, 4 w]` in 0..1 of moved `features` `[n, 512, h, w]` and `occlusion` `[n, 1, h, w]`."""
        out: Tensor = self.decoder(self.fourth(self.third(features)) * occlusion)
        return out

    def forward(self, pictures: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
        """`draw` of `encode_source`: everything anew."""
        return self.draw(self.encode_source(pictures), kp_source, kp_driving)


def warped(source: Source, deformation: Tensor) -> Tensor:
    """The features of `source` taken from where `deformation` `[n, 16, h, w, 3]` says, depth as channels: `[n, 512, h, w]`."""
    return F.grid_sample(source.features, deformation, align_corners=False).flatten(1, 2)
