"""ParseNet: which part of a face each pixel belongs to.

Source: Chen et al., "Progressive Semantic-Aware Style Transformation for Blind Face Restoration", 2021; architecture
and key names are those of the checkpoint `parsing_parsenet.pth`, so that its state dict loads strictly.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 512
"""Width and height in pixels of a face."""
LABELS = 19
"""Kinds of pixels: 0 background, 1 to 13 the skin with all that lies in it, 14 ... 18 hair, hat, ear-rings, clothes."""
FACE_LABELS = (*range(1, 14), 15)
"""The kinds that are the face itself."""
FILE = "parsing_parsenet.pth"
"""What the weights are called where they are published."""
_ENCODER_WIDTHS = (64, 128, 256, 256, 256)
_DECODER_WIDTHS = (256, 256, 256, 128, 64)
_BODY_UNITS = 10
_SLOPE = 0.2


class ParseNet(nn.Module):
    """A residual network that shrinks the face to 32 pixels and enlarges it again."""

    def __init__(self) -> None:
        super().__init__()
        down = [_Residual(*pair, step="down") for pair in pairwise(_ENCODER_WIDTHS)]
        self.encoder = nn.Sequential(_Conv(3, _ENCODER_WIDTHS[0]), *down)
        width = _ENCODER_WIDTHS[-1]
        self.body = nn.Sequential(*(_Residual(width, width) for _ in range(_BODY_UNITS)))
        self.decoder = nn.Sequential(*(_Residual(*pair, step="up") for pair in pairwise(_DECODER_WIDTHS)))
        self.out_img_conv = _Conv(_DECODER_WIDTHS[-1], 3)
        self.out_mask_conv = _Conv(_DECODER_WIDTHS[-1], LABELS)

    def forward(self, faces: Tensor) -> Tensor:
        """How much each pixel looks like each kind, `[n, 19, 512, 512]`, of faces `[n, 3, 512, 512]`, RGB in -1..1."""
        logits: Tensor = self.out_mask_conv(self.features(faces))
        return logits

    def picture(self, faces: Tensor) -> Tensor:
        """The second output of the original, a picture `[n, 3, 512, 512]`; masks do not need it."""
        shown: Tensor = self.out_img_conv(self.features(faces))
        return shown

    def features(self, faces: Tensor) -> Tensor:
        """What both outputs are made of, `[n, 64, 512, 512]`."""
        x = self.encoder(faces)
        decoded: Tensor = self.decoder(x + self.body(x))
        return decoded


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, *, step: str = "") -> None:
        super().__init__()
        self.shortcut_func: nn.Module | None = _Conv(inputs, outputs, step=step) if step else None
        self.conv1 = _Conv(inputs, outputs, step="up" if step == "up" else "", norm=True, slope=_SLOPE)
        self.conv2 = _Conv(outputs, outputs, step="down" if step == "down" else "", norm=True)

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.shortcut_func is None else self.shortcut_func(x)
        added: Tensor = self.conv2(self.conv1(x))
        return kept + added


class _Conv(nn.Module):
    """A 3x3 convolution of the mirrored picture; `step` "up" doubles the size before it, "down" halves it."""

    def __init__(self, inputs: int, outputs: int, *, step: str = "", norm: bool = False, slope: float = 1.0) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(inputs, outputs, 3, stride=2 if step == "down" else 1, bias=not norm)
        self.norm: nn.Module | None = _Norm(outputs) if norm else None
        self._upsample = step == "up"
        self._slope = slope

    def forward(self, x: Tensor) -> Tensor:
        if self._upsample:
            x = F.interpolate(x, scale_factor=2)
        x = self.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"))
        if self.norm is not None:
            x = self.norm(x)
        return F.leaky_relu(x, self._slope) if self._slope != 1.0 else x


class _Norm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x)
        return normed
