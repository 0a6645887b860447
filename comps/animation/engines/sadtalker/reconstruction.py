"""ReconstructionNet: coefficients of a 3-D face model from an aligned picture of a face."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from comps.animation.neural.resnet import EXPANSION, STAGES, ResNet50

SIDE = 224
"""Width and height in pixels of the picture it takes."""
HEADS = (80, 64, 80, 3, 27, 2, 1)
"""Coefficients: identity, expression, texture, angles, light, shift in the picture, distance; 257 in all."""
EXPRESSION, ANGLES, SHIFT = slice(80, 144), slice(224, 227), slice(254, 257)


class Backbone(ResNet50):
    """ResNet-50 down to one number per channel."""

    def forward(self, x: Tensor) -> Tensor:
        """Pictures `[n, 3, 224, 224]` to `[n, 2048, 1, 1]`."""
        return super().forward(x)[-1].mean((2, 3), keepdim=True)


class ReconstructionNet(nn.Module):
    """Regresses the 257 coefficients of the Basel face model. Source: Deng et al., 2019 (Deep3DFaceReconstruction)."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        features = STAGES[-1][0] * EXPANSION
        self.final_layers = nn.ModuleList(nn.Conv2d(features, size, 1) for size in HEADS)

    def forward(self, pictures: Tensor) -> Tensor:
        """Coefficients `[n, 257]` of aligned RGB pictures `[n, 3, 224, 224]` in 0..1."""
        features = self.backbone(pictures)
        return torch.cat([layer(features) for layer in self.final_layers], 1).flatten(1)
