"""Small networks that have what the real ones have."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TwoInputs(nn.Module):
    """Convolutions, norms, a residual, a transposed convolution; a picture and a vector in, a picture out."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.up = nn.Sequential(nn.ConvTranspose2d(width, width, 3, 2, 1, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.speech = nn.Linear(5, width)
        self.last = nn.Conv2d(width, 3, 1)

    def forward(self, picture: Tensor, speech: Tensor) -> Tensor:
        x = self.first(picture) + self.speech(speech)[:, :, None, None]
        x = torch.relu(self.bn(self.conv(x)) + x)
        return torch.sigmoid(self.last(self.up(x)))


class TwoOutputs(TwoInputs):
    """Two pictures out."""

    def forward(self, picture: Tensor, speech: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        made = super().forward(picture, speech)
        return made, made.mean(dim=(2, 3))


class ManyInputs(TwoInputs):
    """Takes what follows the picture as ``*inputs``."""

    def forward(self, picture: Tensor, *speech: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(picture, sum(speech[1:], speech[0]))


class Branching(nn.Module):
    """What it does depends on the values, so that no graph can be made of it."""

    def forward(self, picture: Tensor, speech: Tensor) -> Tensor:
        return picture * 2 if float(picture.sum()) > 0 else speech


def trained(module: nn.Module, seed: int = 0) -> nn.Module:
    """With norms that are not the identity."""
    torch.manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            if part.affine:
                nn.init.uniform_(part.weight, 0.5, 2.0)
                nn.init.normal_(part.bias)
            nn.init.normal_(part.running_mean)  # type: ignore[arg-type]
            nn.init.uniform_(part.running_var, 0.5, 2.0)  # type: ignore[arg-type]
    return module.eval().requires_grad_(False)


def inputs(batch: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """A call of the networks above."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, 12, 10, generator=generator), torch.rand(batch, 5, generator=generator)
