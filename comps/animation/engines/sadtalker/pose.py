"""PoseVAE: head motion that suits a stretch of speech, drawn at random in one of 46 styles."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from comps.animation.engines.sadtalker.expression import EMBEDDING
from comps.animation.engines.sadtalker.pose_unet import ResUnet
from comps.animation.engines.wav2lip.network import audio_encoder

BLOCK = 32
"""Frames whose motion is drawn at once."""
POSE = 6
"""Numbers of a pose: three angles, three shifts of the face model."""
NOISE = 64
STYLES = 46
_HIDDEN = 128


class AudioEncoder(nn.Module):
    """The audio encoder under the name that the checkpoint gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.audio_encoder = audio_encoder()

    def forward(self, mels: Tensor) -> Tensor:
        """`[n, 1, 80, 16]` to `[n, 512]`."""
        return self.audio_encoder(mels).flatten(1)


class PoseEncoder(nn.Module):
    """The half that only training needs: its weights are in every checkpoint, so it is built to be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.resunet = ResUnet()
        self.MLP = nn.Sequential(OrderedDict(L0=nn.Linear(2 * POSE * BLOCK + POSE + NOISE, _HIDDEN)))
        self.linear_means = nn.Linear(_HIDDEN, NOISE)
        self.linear_logvar = nn.Linear(_HIDDEN, NOISE)
        self.linear_audio = nn.Linear(EMBEDDING, POSE)
        self.classbias = nn.Parameter(torch.empty(STYLES, NOISE).normal_())


class PoseDecoder(nn.Module):
    """Noise, style, speech and the first pose to the motion of 32 frames."""

    def __init__(self) -> None:
        super().__init__()
        self.resunet = ResUnet()
        size = POSE * BLOCK
        self.MLP = nn.Sequential(
            OrderedDict(
                L0=nn.Linear(POSE + NOISE + size, _HIDDEN),
                A0=nn.ReLU(),
                L1=nn.Linear(_HIDDEN, size),
                sigmoid=nn.Sigmoid(),
            )
        )
        self.pose_linear = nn.Linear(POSE, POSE)
        self.linear_audio = nn.Linear(EMBEDDING, POSE)
        self.classbias = nn.Parameter(torch.empty(STYLES, NOISE).normal_())

    def forward(self, pose: Tensor, noise: Tensor, style: Tensor, audio: Tensor) -> Tensor:
        """Motion `[n, 32, 6]` of first poses `[n, 6]`, noise `[n, 64]`, styles `[n]` and audio `[n, 32, 512]`."""
        speech = self.linear_audio(audio).flatten(1)
        drawn = self.MLP(torch.cat([pose, noise + self.classbias[style], speech], 1))
        out: Tensor = self.pose_linear(self.resunet(drawn.view(-1, 1, BLOCK, POSE))[:, 0])
        return out


class PoseGenerator(nn.Module):
    """The two halves of the variational autoencoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = PoseEncoder()
        self.decoder = PoseDecoder()


class DiscriminatorLayer(nn.Module):
    """Convolution over time and batch norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, bias=False)
        self.norm = nn.BatchNorm1d(outputs)


class MotionDiscriminator(nn.Module):
    """The judge of the training: built only so that every key of a checkpoint has its place."""

    def __init__(self) -> None:
        super().__init__()
        self.seq = nn.Sequential(
            DiscriminatorLayer(POSE, 256, 4),
            DiscriminatorLayer(256, 512, 4),
            DiscriminatorLayer(512, 1024, 3),
            nn.Conv1d(1024, 1, 3),
        )


class PoseVAE(nn.Module):
    """A conditional variational autoencoder of head motion, with the 419 keys of SadTalker's checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.netG = PoseGenerator()
        self.netD_motion = MotionDiscriminator()
        self.audio_encoder = AudioEncoder()

    def embed(self, mels: Tensor) -> Tensor:
        """Mel windows `[n, 1, 80, 16]` to `[n, 512]`."""
        out: Tensor = self.audio_encoder(mels)
        return out

    def forward(self, pose: Tensor, noise: Tensor, style: Tensor, audio: Tensor) -> Tensor:
        """How the pose departs from `pose` over 32 frames, `[n, 32, 6]`.

        Args:
            pose: the pose motion is counted from, `[n, 6]`.
            noise: normally distributed, `[n, 64]`.
            style: `[n]` integers in 0..45.
            audio: what `embed` made of the mel windows of the frames, `[n, 32, 512]`.
        """
        out: Tensor = self.netG.decoder(pose, noise, style, audio)
        return out
