"""Light on the face: how bright, how much is lost to black and white, how much contrast, and how one-sided."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.animation.coach.image.view import FaceView
from comps.animation.engines.portrait.rig.canvas import ORIGIN

BLACK, WHITE = 4, 251
"""Brightness, of 255, at and beyond which detail is lost; a JPEG ripples a little around 0 and 255."""
_SIDE = 0.06
"""Half width, in face widths, of the strip down the middle that belongs to neither side."""

Levels = NDArray[np.float32]


def luminance(levels: Levels) -> float:
    """Mean of `levels`, 0..255 (Rec. 601 luma)."""
    return float(levels.mean())


def clipped(levels: Levels) -> float:
    """Percent of `levels` that are black or white."""
    return float(((levels <= BLACK) | (levels >= WHITE)).mean() * 100)


def contrast(levels: Levels) -> float:
    """Distance of the brightest from the darkest parts, the outermost 2 % left out, in levels of 255."""
    low, high = np.percentile(levels, (2, 98))
    return float(high - low)


def shadow(view: FaceView) -> float:
    """Mean brightness of the lighter half of the face over that of the darker half, 1 or more."""
    columns = np.arange(view.luma.shape[1])
    width = 2 * _SIDE * view.luma.shape[1] / 4
    halves = [view.luma[view.area & side[None]] for side in (columns < ORIGIN[0] - width, columns > ORIGIN[0] + width)]
    if min(len(half) for half in halves) == 0:
        return 1.0
    darker, lighter = sorted(max(float(half.mean()), 1.0) for half in halves)
    return lighter / darker
