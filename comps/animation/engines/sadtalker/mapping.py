"""MappingNet: from coefficients of the face model around a frame to head pose and deformation of its key points."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

RADIUS = 13
"""Frames before and after the one that is mapped."""
WINDOW = 2 * RADIUS + 1
POSE_BINS = 66
KEYPOINTS = 15
_WIDTH = 1024


class Motion(NamedTuple):
    """What the key points of a frame do.

    `yaw`, `pitch`, `roll` `[n, 66]`: scores of angle bins 3 degrees wide; `shift` `[n, 3]`; `expression` `[n, 45]`.
    """

    yaw: Tensor
    pitch: Tensor
    roll: Tensor
    shift: Tensor
    expression: Tensor


class MappingNet(nn.Module):
    """Temporal convolutions over a window of 27 frames.

    Args:
        channels: coefficients per frame: 70 for pictures that are cropped, 73 (three numbers of the alignment added)
            for whole ones; official checkpoints differ in this alone.
    """

    def __init__(self, channels: int = 70) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(channels, _WIDTH, 7))
        for index in range(3):
            layers = nn.Sequential(nn.LeakyReLU(0.1), nn.Conv1d(_WIDTH, _WIDTH, 3, dilation=3))
            self.add_module(f"encoder{index}", layers)
        self.fc_roll = nn.Linear(_WIDTH, POSE_BINS)
        self.fc_pitch = nn.Linear(_WIDTH, POSE_BINS)
        self.fc_yaw = nn.Linear(_WIDTH, POSE_BINS)
        self.fc_t = nn.Linear(_WIDTH, 3)
        self.fc_exp = nn.Linear(_WIDTH, 3 * KEYPOINTS)

    @property
    def channels(self) -> int:
        """Coefficients per frame."""
        return int(self.first[0].in_channels)

    def forward(self, windows: Tensor) -> Motion:
        """The motion of the middle frames of `windows`, `[n, channels, 27]`."""
        x = self.first(windows)
        for index in range(3):
            # Without padding each convolution loses three frames on either side, and so must what is added to it.
            x = self.get_submodule(f"encoder{index}")(x) + x[:, :, 3:-3]
        x = torch.mean(x, 2)
        return Motion(self.fc_yaw(x), self.fc_pitch(x), self.fc_roll(x), self.fc_t(x), self.fc_exp(x))
