"""ResNet-50 without its classifier, as a face detector and the face reconstruction use it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Width and number of residual units of each stage."""
EXPANSION = 4
"""Channels that leave a unit, in its widths."""


class Bottleneck(nn.Module):
    """A residual unit whose stride lies in the 3x3 convolution (version 1.5).

    Source: He et al., Deep Residual Learning for Image Recognition, 2015; the keys are torchvision's.
    """

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * EXPANSION
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """`[n, inputs, h, w]` to `[n, 4 * width, h / stride, w / stride]`."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(self.bn3(self.conv3(y)) + shortcut)


class ResNet50(nn.Module):
    """The four stages, `layer1` to `layer4`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for index, (width, count) in enumerate(STAGES):
            units: list[nn.Module] = []
            for unit in range(count):
                units.append(Bottleneck(inputs, width, 2 if index and not unit else 1))
                inputs = width * EXPANSION
            self.add_module(f"layer{index + 1}", nn.Sequential(*units))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Pictures `[n, 3, h, w]` to what each stage gives, 256 to 2048 channels at strides 4 to 32."""
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        given = []
        for index in range(len(STAGES)):
            x = self.get_submodule(f"layer{index + 1}")(x)
            given.append(x)
        return given
