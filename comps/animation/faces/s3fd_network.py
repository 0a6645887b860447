"""S3FD's network (Zhang et al., "S3FD: Single Shot Scale-invariant Face Detector", 2017), keys as in `s3fd.pth`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDES = (4, 8, 16, 32, 64, 128)
"""Pixels between two places of each of the six levels."""

_GROUPS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of VGG-16's convolutions; each group but the first begins after a 2x2 maximum."""
_LEVELS = (
    ("conv3_3_norm", 256, 4),
    ("conv4_3_norm", 512, 2),
    ("conv5_3_norm", 512, 2),
    ("fc7", 1024, 2),
    ("conv6_2", 512, 2),
    ("conv7_2", 256, 2),
)
"""Each level's name, channels and scores: the finest has three of background, of which the highest counts."""


class ChannelNorm(nn.Module):
    """Scales the channels of each place to unit length, then each channel by a learned weight."""

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) to the same."""
        length = x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10
        return x / length * self.weight[:, None, None]


class S3fdNetwork(nn.Module):
    """Six maps of scores and box offsets, from fine to coarse."""

    def __init__(self) -> None:
        super().__init__()
        channels = 3
        for group, widths in enumerate(_GROUPS, start=1):
            for index, width in enumerate(widths, start=1):
                self.add_module(f"conv{group}_{index}", nn.Conv2d(channels, width, 3, padding=1))
                channels = width
        self.fc6 = nn.Conv2d(512, 1024, 3, padding=3)
        self.fc7 = nn.Conv2d(1024, 1024, 1)
        self.conv6_1 = nn.Conv2d(1024, 256, 1)
        self.conv6_2 = nn.Conv2d(256, 512, 3, stride=2, padding=1)
        self.conv7_1 = nn.Conv2d(512, 128, 1)
        self.conv7_2 = nn.Conv2d(128, 256, 3, stride=2, padding=1)
        self.conv3_3_norm = ChannelNorm(256, 10.0)
        self.conv4_3_norm = ChannelNorm(512, 8.0)
        self.conv5_3_norm = ChannelNorm(512, 5.0)
        for name, width, scores in _LEVELS:
            self.add_module(f"{name}_mbox_conf", nn.Conv2d(width, scores, 3, padding=1))
            self.add_module(f"{name}_mbox_loc", nn.Conv2d(width, 4, 3, padding=1))

    def forward(self, pictures: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Scores (B, 2, h, w) of background and face before softmax, and offsets (B, 4, h, w), per level.

        Args:
            pictures: (B, 3, h, w), levels of 0..255 without the mean.
        """
        found = []
        for (name, _, _), features in zip(_LEVELS, self._features(pictures), strict=True):
            scores = self.get_submodule(f"{name}_mbox_conf")(features)
            background = scores[:, :-1].amax(dim=1, keepdim=True)
            offsets = self.get_submodule(f"{name}_mbox_loc")(features)
            found.append((torch.cat((background, scores[:, -1:]), dim=1), offsets))
        return found

    def _features(self, x: Tensor) -> list[Tensor]:
        levels = []
        for group, widths in enumerate(_GROUPS, start=1):
            for index in range(1, len(widths) + 1):
                x = torch.relu(self.get_submodule(f"conv{group}_{index}")(x))
            if group >= 3:
                levels.append(self.get_submodule(f"conv{group}_3_norm")(x))
            x = F.max_pool2d(x, 2)
        for name in ("fc6", "fc7", "conv6_1", "conv6_2", "conv7_1", "conv7_2"):
            x = torch.relu(self.get_submodule(name)(x))
            if name in ("fc7", "conv6_2", "conv7_2"):
                levels.append(x)
        return levels
