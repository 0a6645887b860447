"""The mouth: its line, its corners and the outline of its lips."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.canvas import ORIGIN, UNIT, Canvas

Plane = NDArray[np.float32]


def valley(canvas: Canvas) -> Plane:
    """How much darker each pixel is than the skin above and below it along a short level stroke, in L* units."""
    stroke = cv2.blur(canvas.lightness, (UNIT // 5, 3))
    above = np.roll(stroke, UNIT // 12, axis=0)
    below = np.roll(stroke, -(UNIT // 12), axis=0)
    return np.asarray(np.minimum(above, below) - stroke, np.float32)


def mouth_row(canvas: Canvas) -> float:
    """The canvas row of the mouth line: a dark valley among red, about 1.07 eye distances below the eyes."""
    x = slice(int(ORIGIN[0] - 0.28 * UNIT), int(ORIGIN[0] + 0.28 * UNIT))
    dark = valley(canvas)[:, x].mean(1)
    red = cv2.blur(canvas.redness, (1, UNIT // 6))[:, x].mean(1)
    rows = (np.arange(len(dark)) - ORIGIN[1]) / UNIT
    face = slice(int(ORIGIN[1] + 0.2 * UNIT), int(ORIGIN[1] + 1.6 * UNIT))
    red = red - float(np.median(canvas.redness[face, x]))
    score = (dark + 0.7 * np.clip(red, 0, 25) + 4.0) * np.exp(-0.5 * ((rows - 1.04) / 0.18) ** 2)
    return float(np.argmax(score))
