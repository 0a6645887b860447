"""How head pose and expression move canonical key points."""

from __future__ import annotations

import torch
from torch import Tensor

from comps.animation.engines.sadtalker.mapping import KEYPOINTS, Motion

PI = 3.14
"""The value the networks were trained with; the exact one moves a key point by up to 4e-4."""
_BIN, _FIRST = 3.0, -99.0
"""Width of an angle bin and the angle of the first one, in degrees."""


def degrees(bins: Tensor) -> Tensor:
    """The expected angle `[n]`, in degrees, of bin scores `[n, 66]`."""
    index = torch.arange(bins.shape[-1], device=bins.device, dtype=bins.dtype)
    return (torch.softmax(bins, -1) * index).sum(-1) * _BIN + _FIRST


def pose_degrees(motion: Motion) -> Tensor:
    """Yaw, pitch and roll in degrees, `[n, 3]`."""
    return torch.stack([degrees(motion.yaw), degrees(motion.pitch), degrees(motion.roll)], 1)


def rotation(pose: Tensor) -> Tensor:
    """Rotation matrices `[n, 3, 3]` of `pose` `[n, 3]`, yaw, pitch and roll in degrees: pitch, then yaw, then roll."""
    yaw, pitch, roll = (pose / 180 * PI).unbind(1)
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)

    def matrix(*rows: Tensor) -> Tensor:
        return torch.stack(rows, 1).view(-1, 3, 3)

    about_x = matrix(one, zero, zero, zero, pitch.cos(), -pitch.sin(), zero, pitch.sin(), pitch.cos())
    about_y = matrix(yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos())
    about_z = matrix(roll.cos(), -roll.sin(), zero, roll.sin(), roll.cos(), zero, zero, zero, one)
    return about_x @ about_y @ about_z


def moved(points: Tensor, motion: Motion, pose: Tensor | None = None) -> Tensor:
    """Canonical `points` `[n, 15, 3]` as `motion` has them, `[n, 15, 3]`.

    `pose` `[n, 3]`, yaw, pitch and roll in degrees, replaces that of the motion. Of the motion's shift only the vertical
    part counts.
    """
    turned = torch.einsum("nij,nkj->nki", rotation(pose_degrees(motion) if pose is None else pose), points)
    vertical = motion.shift * motion.shift.new_tensor([0.0, 1.0, 0.0])
    return turned + vertical[:, None] + motion.expression.view(-1, KEYPOINTS, 3)
