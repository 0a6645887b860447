"""RetinaFace with a ResNet-50: faces and their five points, at every place of a picture at once.

Source: Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", 2019; architecture and key names
are those of the checkpoint `detection_Resnet50_Final.pth`, so that its state dict loads strictly.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from comps.animation.neural.resnet import ResNet50

WIDTH = 256
"""Channels of the feature pyramid."""
ANCHORS = ((16, 32), (64, 128), (256, 512))
STRIDES = (8, 16, 32)
"""Of each level of the pyramid in pixels; every place has one anchor of either size."""
POINTS = 5


class RetinaFaceNetwork(nn.Module):
    """Scores, box offsets and point offsets of all anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.body = ResNet50()
        self.fpn = _Pyramid()
        self.ssh1 = _Context()
        self.ssh2 = _Context()
        self.ssh3 = _Context()
        self.ClassHead = _heads(2)
        self.BboxHead = _heads(4)
        self.LandmarkHead = _heads(2 * POINTS)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is found at the `n_anchors` of `anchors` for the size of the pictures, in their order.

        Args:
            pictures: `[b, 3, h, w]`, BGR in 0..255 minus (104, 117, 123).

        Returns:
            Box offsets `[b, n_anchors, 4]`, probabilities (no face, face) `[b, n_anchors, 2]` and point offsets
            `[b, n_anchors, 10]`.
        """
        levels = self.fpn(self.body(pictures)[1:])
        levels = [context(level) for context, level in zip((self.ssh1, self.ssh2, self.ssh3), levels, strict=True)]
        boxes, scores, points = (
            torch.cat([head(level) for head, level in zip(heads, levels, strict=True)], 1)
            for heads in (self.BboxHead, self.ClassHead, self.LandmarkHead)
        )
        return boxes, scores.softmax(-1), points


class _Pyramid(nn.Module):
    """Three levels of `WIDTH` channels, each told what the coarser one saw."""

    def __init__(self) -> None:
        super().__init__()
        self.output1 = _conv(512, kernel=1)
        self.output2 = _conv(1024, kernel=1)
        self.output3 = _conv(2048, kernel=1)
        self.merge1 = _conv(WIDTH)
        self.merge2 = _conv(WIDTH)

    def forward(self, stages: list[Tensor]) -> list[Tensor]:
        fine, middle, coarse = (
            torch.relu(layer(stage))
            for layer, stage in zip((self.output1, self.output2, self.output3), stages, strict=True)
        )
        middle = torch.relu(self.merge2(middle + F.interpolate(coarse, size=middle.shape[2:])))
        fine = torch.relu(self.merge1(fine + F.interpolate(middle, size=fine.shape[2:])))
        return [fine, middle, coarse]


class _Context(nn.Module):
    """What surrounds a place, seen through 3x3, 5x5 and 7x7 pixels of its level."""

    def __init__(self) -> None:
        super().__init__()
        self.conv3X3 = _conv(WIDTH, WIDTH // 2)
        self.conv5X5_1 = _conv(WIDTH, WIDTH // 4)
        self.conv5X5_2 = _conv(WIDTH // 4, WIDTH // 4)
        self.conv7X7_2 = _conv(WIDTH // 4, WIDTH // 4)
        self.conv7x7_3 = _conv(WIDTH // 4, WIDTH // 4)

    def forward(self, x: Tensor) -> Tensor:
        wider = torch.relu(self.conv5X5_1(x))
        widest = self.conv7x7_3(torch.relu(self.conv7X7_2(wider)))
        return torch.relu(torch.cat([self.conv3X3(x), self.conv5X5_2(wider), widest], 1))


class _Head(nn.Module):
    """`size` numbers for each anchor of a level."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(WIDTH, len(ANCHORS[0]) * size, 1)
        self._size = size

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv1x1(x).permute(0, 2, 3, 1)
        return found.reshape(x.shape[0], -1, self._size)


def _heads(size: int) -> nn.ModuleList:
    return nn.ModuleList(_Head(size) for _ in STRIDES)


def _conv(inputs: int, outputs: int = WIDTH, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs))
