"""KeypointDetector: 15 points of a face in space, as it would be without pose and expression."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from comps.animation.engines.sadtalker.layers import Down2d, Up3d
from comps.animation.engines.sadtalker.mapping import KEYPOINTS

_DEPTH = 16
_TEMPERATURE = 0.1
_DOWN = (3, 64, 128, 256, 512, 1024)
_UP = (1024, 512, 256, 128, 64, 32)
_REDUCTION = 4
_BLUR = 13
"""Pixels of the Gaussian kernel that a picture is blurred with before every fourth of its pixels is taken."""


class Predictor(nn.Module):
    """Down to a small plane, its channels unfolded to depth, and up again as a volume."""

    def __init__(self) -> None:
        super().__init__()
        self.down_blocks = nn.Sequential()
        for index, (inputs, outputs) in enumerate(pairwise(_DOWN)):
            self.down_blocks.add_module(f"down{index}", Down2d(inputs, outputs))
        self.conv = nn.Conv2d(_DOWN[-1], _UP[0] * _DEPTH, 1)
        self.up_blocks = nn.Sequential()
        for index, (inputs, outputs) in enumerate(pairwise(_UP)):
            self.up_blocks.add_module(f"up{index}", Up3d(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """`[n, 3, h, w]` to `[n, 32, 16, h, w]`."""
        plane = self.conv(self.down_blocks(x))
        out: Tensor = self.up_blocks(plane.unflatten(1, (_UP[0], _DEPTH)))
        return out


class KeypointDetector(nn.Module):
    """Canonical key points of a picture. Source: Wang et al., One-Shot Free-View Neural Talking-Head Synthesis, 2021."""

    def __init__(self) -> None:
        super().__init__()
        self.predictor = Predictor()
        self.kp = nn.Conv3d(_UP[-1], KEYPOINTS, 3, padding=1)
        self.down = Blur()

    def forward(self, pictures: Tensor) -> Tensor:
        """Points `[n, 15, 3]` (x, y, z in -1..1) of square RGB pictures `[n, 3, s, s]` in 0..1, s a multiple of 128."""
        logits = self.kp(self.predictor(self.down(pictures)))
        heat = F.softmax(logits.flatten(2) / _TEMPERATURE, 2).view_as(logits)
        return torch.stack([_centre(heat, axis) for axis in (4, 3, 2)], -1)


def _centre(heat: Tensor, axis: int) -> Tensor:
    """The mean coordinate along one axis, -1..1 with both ends included, `[n, 15]`."""
    others = [other for other in (2, 3, 4) if other != axis]
    line = torch.linspace(-1, 1, heat.shape[axis], device=heat.device, dtype=heat.dtype)
    return heat.sum(others) @ line


class Blur(nn.Module):
    """Depthwise Gaussian blur of a picture, then every fourth pixel; the kernel is part of the checkpoint."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(3, 1, _BLUR, _BLUR))

    def forward(self, x: Tensor) -> Tensor:
        """`[n, 3, h, w]` to `[n, 3, h / 4, w / 4]`."""
        return F.conv2d(x, self.weight, stride=_REDUCTION, padding=_BLUR // 2, groups=3)
