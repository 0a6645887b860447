"""The mouth: its place, its line, its corners and the outline of its lips, all in canvas pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.canvas import ORIGIN, UNIT, Canvas
from comps.animation.engines.portrait.rig.curves import Search, blurred, sample, snap

Plane = NDArray[np.float32]
Points = NDArray[np.float64]

LEVEL, LEVEL_SIGMA = 1.04, (0.13, 0.26)
"""Height of the mouth line below the eyes, in eye distances, and its spread up and down: a face that is turned brings its
eyes together, so its mouth seems lower."""
SIDE_SIGMA = 0.22
"""Spread of the mouth's sideways shift: a face turned by 25 degrees moves it by 0.17 eye distances."""


def valley(canvas: Canvas) -> Plane:
    """How much darker each pixel is than the skin above and below it along a short level stroke, in L* units."""
    stroke = cv2.blur(canvas.lightness, (UNIT // 8, 3))
    above = np.roll(stroke, UNIT // 12, axis=0)
    below = np.roll(stroke, -(UNIT // 12), axis=0)
    return np.asarray(np.minimum(above, below) - stroke, np.float32)


def mouth_centre(canvas: Canvas) -> tuple[Points, float]:
    """Where the middle of the mouth line is (x, y), and how clearly: 1 is usual, 0.3 doubtful.

    A long dark valley among red, about 1.04 eye distances below the eyes; further when the face is turned, which
    brings the eyes together.
    """
    window = (int(0.5 * UNIT), 3)
    dark = cv2.blur(np.clip(valley(canvas), -6, 18), window)
    red = cv2.blur(canvas.redness, (int(0.4 * UNIT), UNIT // 6))
    top, bottom = int(ORIGIN[1] + 0.5 * UNIT), int(ORIGIN[1] + 1.7 * UNIT)
    left, right = int(ORIGIN[0] - 0.6 * UNIT), int(ORIGIN[0] + 0.6 * UNIT)
    dark, red = dark[top:bottom, left:right], red[top:bottom, left:right]
    red = red - float(np.median(np.asarray(red, np.float32)))
    y, x = np.mgrid[top:bottom, left:right]
    side, level = (x - ORIGIN[0]) / UNIT, (y - ORIGIN[1]) / UNIT
    off = level - LEVEL - 0.4 * np.abs(side)
    prior = np.exp(
        -0.5 * (off / np.where(off > 0, LEVEL_SIGMA[1], LEVEL_SIGMA[0])) ** 2 - 0.5 * (side / SIDE_SIGMA) ** 2
    )
    score = np.clip(dark + 4.0, 0, None) * (1.0 + np.clip(red, 0, 25) / 8.0) * prior
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    clarity = float(score[row, column] - 4.0) / 12.0
    return np.array([left + float(column), top + float(row)]), float(np.clip(clarity, 0.05, 1.0))


@dataclass(frozen=True, slots=True)
class MouthLine:
    """The line between the lips: `points` `[n, 2]` from the viewer's left corner to the right one.

    `clarity` 0..1 of the line, and of each corner in `corners`.
    """

    points: Points
    clarity: float
    corners: tuple[float, float]


HALF_WIDTH, HALF_WIDTH_SIGMA = 0.35, 0.055
"""Half the width of a mouth in eye distances, and its spread."""
_REACH = int(0.62 * UNIT)
_FLANK = int(0.16 * UNIT)
"""Pixels on either side of a corner that are compared."""
_OVERSHOOT = 0.025 * UNIT
"""The fold of skin at a corner goes on where the lips have ended, by about this much."""


def mouth_line(canvas: Canvas, centre: Points) -> MouthLine:
    """Follow the dark valley from `centre` to both sides, and end it where it and the red of the lips end."""
    columns = np.arange(-_REACH, _REACH + 1, 2.0, dtype=np.float64)
    level = np.stack([centre[0] + columns, np.full(len(columns), centre[1])], 1)
    dark = blurred(valley(canvas), 1.5)
    line = snap(np.clip(dark, -3, 15) / np.float32(6.0), level, Search(0.14 * UNIT, 0.09 * UNIT, stiffness=0.35))
    # The upper lip lies in shade, which draws the valley up; the darkest place itself is the line.
    near = cv2.blur(canvas.lightness, (UNIT // 16, 3))
    darkest = (cv2.blur(near, (1, UNIT // 8)) - near) / np.float32(5.0)
    path = snap(np.clip(darkest, -2, 3), line.points, Search(0.05 * UNIT, 0.04 * UNIT, stiffness=0.3)).points
    path[:, 1] = np.convolve(np.pad(path[:, 1], 4, mode="edge"), np.ones(9) / 9, mode="valid")
    red = sample(blurred(canvas.redness, 0.03 * UNIT), path)
    signal = np.clip(sample(dark, path), -2, 9) + 0.5 * np.clip(red - np.median(red), -8, 12)
    right, left, clear = _ends(signal.astype(np.float64), columns)
    right, left = right + _OVERSHOOT, left - _OVERSHOOT
    inside = (columns >= right) & (columns <= left)
    middle = inside & (np.abs(columns - (left + right) / 2) < 0.2 * UNIT)
    return MouthLine(
        points=path[inside],
        clarity=float(np.clip(np.mean(signal[middle]) / 8.0, 0, 1)),
        corners=clear,
    )


def _ends(signal: NDArray[np.float64], columns: NDArray[np.float64]) -> tuple[float, float, tuple[float, float]]:
    """Columns of the right and the left corner: the pair where the signal falls most, at a likely width."""
    flank = _FLANK // 2
    total = np.concatenate([[0.0], np.cumsum(np.pad(signal, flank, mode="edge"))])
    before = (total[flank:-flank] - total[: -2 * flank])[: len(signal)] / flank
    after = (total[2 * flank :] - total[flank:-flank])[: len(signal)] / flank
    rise = after - before
    right, left = rise[:, None], -rise[None, :]
    half = (columns[None, :] - columns[:, None]) / 2 / UNIT
    middle = (columns[None, :] + columns[:, None]) / 2 / UNIT
    prior = 0.5 * ((half - HALF_WIDTH) / HALF_WIDTH_SIGMA) ** 2 + 0.5 * (middle / 0.06) ** 2
    score = np.clip(right, 0, 8) / 2.5 + np.clip(left, 0, 8) / 2.5 - prior
    i, j = np.unravel_index(int(score.argmax()), score.shape)
    clear = (float(np.clip(rise[i] / 4, 0.1, 1)), float(np.clip(-rise[j] / 4, 0.1, 1)))
    return float(columns[i]), float(columns[j]), clear


_DEEPEST = int(0.17 * UNIT)
"""Pixels below the mouth line where the lower lip may begin."""
_LIP_RISE = 8.0
"""Least rise of a* from the inside of a mouth to its lower lip: less is noise, or a mouth without red."""
_LIP_RED = 0.85
"""Share of the greatest a* below the mouth line from which a place is lip."""
OPEN_GAP = 0.05 * UNIT
"""Openings below this are the shadow between lips that touch."""


def opening(canvas: Canvas, line: MouthLine) -> NDArray[np.float64]:
    """Pixels from the mouth line down to the red of the lower lip at each point of `line`, all 0 in a closed mouth.

    Teeth and the dark behind them are less red than the lip below. Where lips touch, the red begins at the line itself,
    and a gloss on the lip lies below red, so neither is taken for an opening.
    """
    steps = np.arange(_DEEPEST + 1)
    columns = line.points[:, None] + steps[None, :, None] * np.array([0.0, 1.0])
    red = sample(blurred(canvas.redness, 0.012 * UNIT), columns).astype(np.float64)
    first = np.array([_rise(column) for column in red])
    middle = np.linspace(-1, 1, len(first))
    wide = cv2.blur(first[None], (9, 1), borderType=cv2.BORDER_REPLICATE)[0]
    gap = np.asarray(wide * np.clip(1 - np.abs(middle) ** 4, 0, 1), np.float64)
    return gap if np.median(gap[np.abs(middle) < 0.5]) >= OPEN_GAP else np.zeros_like(gap)


def _rise(red: NDArray[np.float64]) -> float:
    """Where a column of redness, told from the mouth line down, comes half way up to the first place as red as lips."""
    top = int((red >= _LIP_RED * red.max()).argmax())
    least = float(red[: top + 1].min())
    if red[top] - least < _LIP_RISE:
        return 0.0
    return float(np.flatnonzero(red[: top + 1] < (red[top] + least) / 2)[-1] + 1)
