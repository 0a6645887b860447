"""Wav2Lip's generator: a face, half hidden, and 200 ms of speech in; the face saying it out.

Architecture and key names are those of the published 96-pixel checkpoints (Prajwal et al., "A Lip Sync Expert Is All
You Need for Speech to Lip Generation In the Wild", 2020), so that their state dict loads strictly.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from comps.animation.neural.concatenation import Concatenation

SIDE = 96
"""Pixels of a face, both ways."""
MEL_BANDS, MEL_COLUMNS = 80, 16
"""Of one window of speech."""

# Per level of the face encoder: output channels, kernel and stride of the first convolution, residual blocks after it.
_FACE_LEVELS = [(16, 7, 1, 0), (32, 3, 2, 2), (64, 3, 2, 3), (128, 3, 2, 2), (256, 3, 2, 2), (512, 3, 2, 1)]
# Of the audio encoder: output channels, stride (mel, time), residual blocks after it.
_AUDIO_LEVELS = [(32, (1, 1), 2), (64, (3, 1), 2), (128, (3, 3), 2), (256, (3, 2), 1)]
# Of the levels of the decoder that double the size: input (with the skip) and output channels.
_DECODER_LEVELS = [(1024, 512), (768, 384), (512, 256), (320, 128), (160, 64)]


class Conv(nn.Module):
    """Convolution, batch norm and ReLU; `residual` adds the input before the ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int | tuple[int, int] = 1,
        padding: int = 1,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.BatchNorm2d(outputs))
        self.rectify = nn.ReLU(inplace=True)
        self.residual = residual
        self._folded = False

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h', w')."""
        y = self.conv_block(x)
        rectified: Tensor = self.rectify(y + x if self.residual and not self._folded else y)
        return rectified

    def fold(self) -> None:
        """Let the convolution add the input, by a one more in the middle of each channel's own kernel (see `Foldable`)."""
        convolution, norm = self.conv_block
        if self._folded or not isinstance(norm, nn.Identity):
            return
        if self.residual:
            weight = convolution.weight.detach().clone()
            channel = torch.arange(len(weight), device=weight.device)
            down, across = (side // 2 for side in weight.shape[2:])
            weight[channel, channel, down, across] += 1
            convolution.weight = nn.Parameter(weight, requires_grad=False)
        self._folded = True


class TransposedConv(nn.Module):
    """Transposed convolution, batch norm and ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 2, padding: int = 1, output_padding: int = 1) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ConvTranspose2d(inputs, outputs, 3, stride, padding, output_padding), nn.BatchNorm2d(outputs)
        )
        self.rectify = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h', w')."""
        rectified: Tensor = self.rectify(self.conv_block(x))
        return rectified


class Wav2Lip(nn.Module):
    """`forward` is all of it; the three parts it is made of let what does not change be computed once."""

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder_blocks = _face_encoder()
        self.audio_encoder = audio_encoder()
        self.face_decoder_blocks = _face_decoder()
        self.joins = nn.ModuleList(Concatenation() for _ in self.face_decoder_blocks)
        self.output_block = nn.Sequential(Conv(80, 32), nn.Conv2d(32, 3, 1), nn.Sigmoid())

    def encode_face(self, faces: Tensor) -> list[Tensor]:
        """What the decoder needs of the pictures, which the speech has no part in.

        Args:
            faces: (B, 6, 96, 96) in 0..1: BGR with the lower half zero, then BGR of the whole face.

        Returns:
            The outputs of the seven levels, from (B, 16, 96, 96) to (B, 512, 1, 1).
        """
        levels, x = [], faces
        for block in self.face_encoder_blocks:
            x = block(x)
            levels.append(x)
        return levels

    def encode_audio(self, mel: Tensor) -> Tensor:
        """Windows of speech (B, 1, 80, 16) in -4..4 as embeddings (B, 512, 1, 1)."""
        embedding: Tensor = self.audio_encoder(mel)
        return embedding

    def decode(self, audio: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Faces (B, 3, 96, 96), BGR in 0..1.

        Args:
            audio: (B, 512, 1, 1) of `encode_audio`.
            skips: of `encode_face`, for the same B faces.
        """
        x = audio
        for block, join, skip in zip(self.face_decoder_blocks, self.joins, reversed(skips), strict=True):
            x = join(block(x), skip)
        picture: Tensor = self.output_block(x)
        return picture

    def forward(self, mel: Tensor, faces: Tensor) -> Tensor:
        """Faces that say what is heard.

        Args:
            mel: (B, 1, 80, 16), or (B, T, 1, 80, 16) for T successive windows.
            faces: (B, 6, 96, 96), or (B, 6, T, 96, 96).

        Returns:
            (B, 3, 96, 96), or (B, 3, T, 96, 96): BGR in 0..1.
        """
        if faces.dim() == 4:
            return self.decode(self.encode_audio(mel), self.encode_face(faces))
        batch = len(faces)
        flat = self(mel.transpose(0, 1).flatten(0, 1), faces.permute(2, 0, 1, 3, 4).flatten(0, 1))
        return torch.stack(flat.split(batch), dim=2)


def _residuals(channels: int, count: int) -> list[Conv]:
    return [Conv(channels, channels, residual=True) for _ in range(count)]


def _face_encoder() -> nn.ModuleList:
    widths = [6, *(level[0] for level in _FACE_LEVELS)]
    levels = [
        nn.Sequential(Conv(inputs, outputs, kernel, stride, kernel // 2), *_residuals(outputs, residuals))
        for inputs, (outputs, kernel, stride, residuals) in zip(widths, _FACE_LEVELS, strict=False)
    ]
    return nn.ModuleList([*levels, nn.Sequential(Conv(512, 512, padding=0), Conv(512, 512, 1, padding=0))])


def audio_encoder() -> nn.Sequential:
    """Layers from windows of speech (B, 1, 80, 16) to (B, 512, 1, 1)."""
    blocks: list[Conv] = []
    widths = [1, *(level[0] for level in _AUDIO_LEVELS)]
    for (inputs, outputs), (_, stride, residuals) in zip(pairwise(widths), _AUDIO_LEVELS, strict=True):
        blocks += [Conv(inputs, outputs, stride=stride), *_residuals(outputs, residuals)]
    return nn.Sequential(*blocks, Conv(256, 512, padding=0), Conv(512, 512, 1, padding=0))


def _face_decoder() -> nn.ModuleList:
    first = nn.Sequential(Conv(512, 512, 1, padding=0))
    # from 1x1 to 3x3 pixels, without the doubling of those after it
    second = nn.Sequential(TransposedConv(1024, 512, 1, 0, 0), *_residuals(512, 1))
    doubling = [
        nn.Sequential(TransposedConv(inputs, outputs), *_residuals(outputs, 2)) for inputs, outputs in _DECODER_LEVELS
    ]
    return nn.ModuleList([first, second, *doubling])
