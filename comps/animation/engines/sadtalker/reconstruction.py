"""ReconstructionNet: coefficients of a 3-D face model from an aligned picture of a face."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIDE = 224
"""Width and height in pixels of the picture it takes."""
HEADS = (80, 64, 80, 3, 27, 2, 1)
"""Coefficients: identity, expression, texture, angles, light, shift in the picture, distance; 257 in all."""
EXPRESSION, ANGLES, SHIFT = slice(80, 144), slice(224, 227), slice(254, 257)
_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
_EXPANSION = 4


class Bottleneck(nn.Module):
    """A residual unit of ResNet-50 whose stride lies in the 3x3 convolution (version 1.5).

    Source: He et al., Deep Residual Learning for Image Recognition, 2015; the keys are torchvision's.
    """

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * _EXPANSION
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


class Backbone(nn.Module):
    """ResNet-50 without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for index, (width, count) in enumerate(_STAGES):
            units: list[nn.Module] = []
            for unit in range(count):
                units.append(Bottleneck(inputs, width, 2 if index and not unit else 1))
                inputs = width * _EXPANSION
            self.add_module(f"layer{index + 1}", nn.Sequential(*units))

    def forward(self, x: Tensor) -> Tensor:
        """Pictures `[n, 3, 224, 224]` to `[n, 2048, 1, 1]`."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for index in range(len(_STAGES)):
            x = self.get_submodule(f"layer{index + 1}")(x)
        return x.mean((2, 3), keepdim=True)


class ReconstructionNet(nn.Module):
    """Regresses the 257 coefficients of the Basel face model. Source: Deng et al., 2019 (Deep3DFaceReconstruction)."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        features = _STAGES[-1][0] * _EXPANSION
        self.final_layers = nn.ModuleList(nn.Conv2d(features, size, 1) for size in HEADS)

    def forward(self, pictures: Tensor) -> Tensor:
        """Coefficients `[n, 257]` of aligned RGB pictures `[n, 3, 224, 224]` in 0..1."""
        features = self.backbone(pictures)
        return torch.cat([layer(features) for layer in self.final_layers], 1).flatten(1)
