"""Faces and motions for tests of the renderer."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

import comps.animation.presenters as presenters
from comps.animation.engines.portrait.render.face import Face, prepare
from comps.animation.engines.portrait.render.renderer import Renderer
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.motion.face_motion import ARKIT_INDEX, ARKIT_NAMES, FaceMotion

ADA = Path(str(presenters.__file__)).parent / "ada"


@lru_cache(maxsize=1)
def picture() -> np.ndarray:
    """The shipped presenter, uint8 `[h, w, 3]` RGB."""
    return cv2.cvtColor(cv2.imread(str(ADA / "portrait.png")), cv2.COLOR_BGR2RGB)


@lru_cache(maxsize=1)
def rig() -> Rig:
    """Her rig."""
    return Rig.load(ADA / "rig.json")


@lru_cache(maxsize=4)
def face(size: int = 256) -> Face:
    """Her, prepared."""
    return prepare(picture(), rig(), size)


def pose(head: tuple[float, ...] = (0,) * 6, gaze: tuple[float, float] = (0, 0), **weights: float) -> FaceMotion:
    """One frame; a weight named without Left or Right moves both sides."""
    row = np.zeros((1, len(ARKIT_NAMES)), np.float32)
    for name, value in weights.items():
        for suffix in ("", "Left", "Right"):
            if name + suffix in ARKIT_INDEX:
                row[0, ARKIT_INDEX[name + suffix]] = value
    return FaceMotion(0, 25, row, np.array([head], np.float32), np.array([gaze], np.float32))


def draw(motion: FaceMotion, size: int = 256) -> np.ndarray:
    """The brightness of one frame as float `[h, w]`."""
    renderer = Renderer(face(size))
    return renderer.render(motion)[0][: renderer.height].astype(float)
