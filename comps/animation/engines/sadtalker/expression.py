"""ExpressionNet: what the face does at a mel window."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from comps.animation.engines.wav2lip.network import audio_encoder

EMBEDDING = 512
"""Numbers that describe one mel window."""
EXPRESSION = 64
"""Expression coefficients of the face model."""


class ExpressionNet(nn.Module):
    """Mel windows, a reference expression and how shut the eyes are, to expression coefficients.

    Each frame stands for itself, so any number of frames may be given at once. Source: SadTalker's ExpNet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.audio_encoder = audio_encoder()
        self.mapping1 = nn.Linear(EMBEDDING + EXPRESSION + 1, EXPRESSION)

    def forward(self, mels: Tensor, reference: Tensor, blink: Tensor) -> Tensor:
        """Coefficients `[n, 64]` of `mels` `[n, 1, 80, 16]`, `reference` `[n, 64]` and `blink` `[n, 1]` in 0..1."""
        embedding = self.audio_encoder(mels).flatten(1)
        out: Tensor = self.mapping1(torch.cat([embedding, reference, blink], 1))
        return out
