"""Subject: everything about an avatar that no speech changes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comps.animation.engine import Avatar
from comps.animation.engines.sadtalker.checkpoints import Networks
from comps.animation.engines.sadtalker.generator import Source
from comps.animation.engines.sadtalker.motion import source_keypoints
from comps.animation.engines.sadtalker.points import FacePoints
from comps.animation.engines.sadtalker.settings import Preprocess
from comps.animation.engines.sadtalker.source import Cut, Picture, coefficients, cut_out
from comps.core.errors import FaceError


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A prepared avatar.

    `cut`: what of its picture is animated. `coefficients` float32 `[70]` or `[73]`. `canonical` and `keypoints`
    `[15, 3]`: its key points without and with the picture's own pose. `source`: features of the picture, `[1, ...]`.
    """

    cut: Cut
    coefficients: NDArray[np.float32]
    canonical: Tensor
    keypoints: Tensor
    source: Source


@torch.inference_mode()
def prepare(avatar: Avatar, networks: Networks, points: FacePoints, mode: Preprocess, side: int) -> Subject:
    """Everything of `avatar` for faces of `side` pixels, cut out as `mode` has it; blocks for about a second on a CPU.

    Raises:
        FaceError: its picture cannot be read.
    """
    picture = _read(avatar)
    cut = cut_out(picture, points.of_avatar(picture, avatar.rig), mode, side)
    row = coefficients(networks.reconstruction, cut.face, points.again(cut.face, cut.landmarks))
    row = row[: networks.motion.mapping.channels]
    face = picture_tensor(cut.face).to(next(networks.generator.parameters()).device)
    canonical = networks.keypoints(face)[0]
    keypoints = source_keypoints(networks.motion.mapping, row, canonical)
    return Subject(cut, row, canonical, keypoints, networks.generator.encode_source(face))


def picture_tensor(picture: Picture) -> Tensor:
    """RGB uint8 `[h, w, 3]` as float32 `[1, 3, h, w]` in 0..1."""
    return torch.from_numpy(picture.astype(np.float32).transpose(2, 0, 1)[None] / np.float32(255))


def _read(avatar: Avatar) -> Picture:
    picture = cv2.imread(str(avatar.image), cv2.IMREAD_COLOR)
    if picture is None:
        raise FaceError(f"the picture of avatar '{avatar.id}' is damaged: upload it again", param="avatar")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)
