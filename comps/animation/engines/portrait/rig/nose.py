"""The underside of the nose: where the shadow of the nostrils lies, in canvas pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.canvas import ORIGIN, UNIT, Canvas
from comps.animation.engines.portrait.rig.mouth import valley

Points = NDArray[np.float64]

DOWN, DOWN_SIGMA = 0.69, 0.06
"""How far down from the eyes to the mouth the nostrils lie, and its spread."""
SIDE_SIGMA = 0.11
"""Spread of their distance, in eye distances, from the line between eyes and mouth: a turned nose stands off it."""


def nostrils(canvas: Canvas, mouth: Points) -> tuple[Points, float]:
    """The middle between the nostrils (x, y), given the middle of the `mouth`; and how clearly it shows, 0..1."""
    origin = np.array(ORIGIN)
    down = mouth - origin
    dark = np.clip(valley(canvas), 0, 15)
    shade = cv2.blur(dark, (int(0.28 * UNIT), max(3, UNIT // 24)))
    y, x = np.mgrid[int(ORIGIN[1] + 0.35 * down[1]) : int(ORIGIN[1] + 0.88 * down[1]), 0 : canvas.lightness.shape[1]]
    part = (y - origin[1]) / down[1]
    side = (x - origin[0] - part * down[0]) / UNIT
    prior = np.exp(-0.5 * ((part - DOWN) / DOWN_SIGMA) ** 2 - 0.5 * (side / SIDE_SIGMA) ** 2)
    score = (shade[y, x] + 1.0) * prior
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    clarity = float(np.clip(shade[y[row, column], x[row, column]] / 5.0, 0.05, 1.0))
    return np.array([float(x[row, column]), float(y[row, column])]), clarity
