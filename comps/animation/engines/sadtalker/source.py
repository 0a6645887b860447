"""Source: what is cut out of an avatar's picture, and the coefficients of its face."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from comps.animation.engines.sadtalker.alignment import aligned
from comps.animation.engines.sadtalker.crop import Landmarks, face_crop
from comps.animation.engines.sadtalker.reconstruction import ANGLES, EXPRESSION, SHIFT, ReconstructionNet
from comps.animation.engines.sadtalker.settings import Preprocess

Picture = NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A face cut out of its picture.

    `canvas` RGB uint8 `[h, w, 3]` is the picture; `box` (left, top, right, bottom) what of it is animated; `face` that,
    as a square `[s, s, 3]`; `landmarks` float32 `[68, 2]` in pixels of `face`.
    """

    canvas: Picture
    box: Box
    face: Picture
    landmarks: NDArray[np.float32]


def cut_out(picture: Picture, landmarks: Landmarks, mode: Preprocess, side: int) -> Cut:
    """What `mode` animates of `picture`, RGB uint8 `[h, w, 3]`, as a square of `side` pixels.

    ``crop`` and ``full`` take the tight square around the face, ``extcrop`` and ``extfull`` a looser rectangle,
    ``resize`` everything. `landmarks` are 68 points `[68, 2]` in the picture's pixels.
    """
    height, width = picture.shape[:2]
    if mode == "resize":
        return _square(picture, (0, 0, width, height), landmarks, side)
    crop = face_crop(landmarks, (width, height))
    if crop.size != (width, height):
        picture = cv2.resize(picture, crop.size).astype(np.uint8)
    scale = np.array(crop.size) / (width, height)
    return _square(picture, crop.box(tight=not mode.startswith("ext")), landmarks * scale, side)


def _square(canvas: Picture, box: Box, landmarks: Landmarks, side: int) -> Cut:
    left, top, right, bottom = box
    face = cv2.resize(canvas[top:bottom, left:right], (side, side), interpolation=cv2.INTER_LINEAR)
    scale = np.array([side / (right - left), side / (bottom - top)])
    return Cut(canvas, box, face.astype(np.uint8), ((landmarks - (left, top)) * scale).astype(np.float32))


@torch.inference_mode()
def coefficients(network: ReconstructionNet, face: Picture, landmarks: Landmarks) -> NDArray[np.float32]:
    """The 73 coefficients of a face, float32 `[73]`: expression 64, angles 3, shift 3, scale and place of its alignment.

    Args:
        network: with its weights.
        face: RGB uint8 `[h, w, 3]`.
        landmarks: 68 points in its pixels.
    """
    alignment = aligned(face, landmarks)
    pixels = torch.from_numpy(alignment.picture.astype(np.float32).transpose(2, 0, 1) / np.float32(255))
    found = network(pixels[None].to(next(network.parameters()).device))[0].float().cpu().numpy()
    return np.concatenate([found[EXPRESSION], found[ANGLES], found[SHIFT], alignment.parameters[2:]])
