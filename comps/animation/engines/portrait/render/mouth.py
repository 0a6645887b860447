"""Mouth: what is seen between the lips, drawn once per face in its own light.

The upper teeth hang on the skull, the lower teeth and the tongue on the jaw; behind them it is dark.
Everything is kept as textures in face axes (units from the middle of the mouth).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render.anatomy import Anatomy
from comps.animation.engines.portrait.render.planes import Planes

Plane = NDArray[np.float32]
Points = NDArray[np.float64]

TEXELS = 200
"""Texture pixels per unit."""
HALF_WIDTH, TOP, BOTTOM = 0.62, -0.34, 0.72
"""Edges of the textures in units."""

# Half widths of the upper teeth from the midline outward, in units: incisors, canine, premolars (Wheeler's means over 63 mm).
_UPPER_TEETH = (0.132, 0.102, 0.108, 0.086, 0.070, 0.058)
_LOWER_TEETH = (0.080, 0.086, 0.098, 0.084, 0.070, 0.058)


@dataclass(frozen=True, slots=True)
class Colours:
    """Brightness and the two colour differences (video levels) of the parts inside a mouth."""

    cavity: tuple[float, float, float]
    tongue: tuple[float, float, float]
    teeth: tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Mouth:
    """Textures float32 `[h, w, 2]`: brightness (video levels) and coverage (0..1)."""

    colours: Colours
    upper_teeth: Plane
    lower_teeth: Plane
    tongue: Plane


def draw_mouth(anatomy: Anatomy, planes: Planes) -> Mouth:
    """The inside of a mouth to go with a face."""
    colours = sample_colours(anatomy, planes)
    wide = float(np.mean(anatomy.half_widths)) / 0.36
    return Mouth(
        colours=colours,
        upper_teeth=_teeth(_UPPER_TEETH, colours.teeth[0], -0.20, 0.050, wide),
        lower_teeth=_teeth(_LOWER_TEETH, colours.teeth[0] * 0.80, 0.16, 0.022, wide),
        tongue=_tongue(colours.tongue[0], wide),
    )


def sample_colours(anatomy: Anatomy, planes: Planes) -> Colours:
    """Colours of the inside from those of the lips, the skin and the whites of the eyes."""
    lips = np.median(_inside(planes, anatomy.points[[*range(48, 55), *range(59, 54, -1)]]), axis=0)
    cheeks = np.vstack([_inside(planes, anatomy.points[i]) for i in ([2, 3, 31, 41], [14, 13, 35, 46])])
    skin = np.median(cheeks, axis=0)
    eyes = np.vstack([_inside(planes, anatomy.points[i]) for i in (range(36, 42), range(42, 48))])
    white = float(np.percentile(eyes[:, 0], 88))
    red = lips[1:] - 128
    bright = float(np.clip(0.45 * white + 0.35 * skin[0] + 32, 60, 215))
    tint = 128 + 0.22 * (skin[1:] - 128) + np.array([-3.0, 1.0])
    return Colours(
        cavity=(17 + 0.075 * float(lips[0]), float(128 + 0.35 * red[0]), float(128 + 0.55 * red[1] + 2)),
        tongue=(16 + 0.62 * float(lips[0]), float(128 + 0.8 * red[0]), float(128 + 0.85 * red[1] + 5)),
        teeth=(bright, float(tint[0]), float(tint[1])),
    )


def _inside(planes: Planes, polygon: Points) -> NDArray[np.float64]:
    """Colours `[n, 3]` of the picture inside a polygon of video points."""
    height, width = planes.chroma.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(polygon / 2).astype(np.int32)], (255,))
    # A feature of a few pixels may cover no whole pixel: its middle always counts.
    middle = np.clip(polygon.mean(0) / 2, 0, (width - 1, height - 1)).astype(int)
    mask[middle[1], middle[0]] = 255
    small = cv2.resize(planes.luma, (width, height), interpolation=cv2.INTER_AREA)
    chosen = mask > 0
    return np.column_stack([small[chosen], planes.chroma[chosen]]).astype(np.float64)


def _axes() -> tuple[Points, Points]:
    x = np.arange(int(2 * HALF_WIDTH * TEXELS)) / TEXELS - HALF_WIDTH
    y = np.arange(int((BOTTOM - TOP) * TEXELS)) / TEXELS + TOP
    return x[None, :], y[:, None]


def _teeth(widths: tuple[float, ...], bright: float, gum: float, edge: float, wide: float) -> Plane:
    """A row of teeth from height `gum` to the biting `edge` (units, down), seen from the front."""
    x, y = _axes()
    away = np.abs(x) / wide
    ends = np.cumsum(np.array(widths) * 0.82)
    ends = np.concatenate([[0.0], ends])
    index = np.clip(np.searchsorted(ends, away[0], side="right") - 1, 0, len(widths) - 1)
    start, stop = ends[index], ends[np.minimum(index + 1, len(widths))]
    place = np.clip((away[0] - start) / (stop - start), 0, 1)[None, :]
    direction = np.sign(edge - gum)
    # The arch curves back: teeth beside the middle bite a little higher (upper) or stay level (lower), and get darker.
    corner = 0.016 * np.abs(2 * place - 1) ** 4
    bite = edge - direction * (corner + 0.10 * away**2)
    covered = _ramp((bite - y) * direction, 0.008) * _ramp((y - gum) * direction, 0.02)
    covered = covered * _ramp(ends[-1] - away, 0.02)
    between = 1 - 0.16 * np.exp(-(((place * (1 - place)) / 0.045) ** 2)) * (away < ends[-1])
    round_ = 1 - 0.10 * np.abs(2 * place - 1) ** 2
    depth = np.clip(1.02 - 1.15 * away**1.6, 0.25, 1)
    tip = 1 - 0.10 * _ramp(0.02 - (bite - y) * direction, 0.02)
    light = 16 + (bright - 16) * between * round_ * depth * tip
    return _texture(light, covered)


def _tongue(bright: float, wide: float) -> Plane:
    """A tongue lying behind the lower teeth."""
    x, y = _axes()
    across = np.abs(x) / (0.33 * wide)
    top = 0.075 + 0.07 * across**2.2
    covered = _ramp(y - top, 0.03) * _ramp(1.02 - across, 0.12)
    hollow = 1 - 0.22 * np.exp(-((x / 0.03) ** 2)) * _ramp(y - top - 0.05, 0.05)
    light = 16 + (bright - 16) * hollow * (1 - 0.35 * across**2) * (0.72 + 0.28 * _ramp(0.16 - (y - top), 0.16))
    return _texture(light, covered)


def _texture(light: Points, covered: Points) -> Plane:
    light, covered = np.broadcast_arrays(light, covered)
    return np.ascontiguousarray(np.stack([light, covered], -1), dtype=np.float32)


def _ramp(value: Points, width: float) -> Points:
    """0 below `-width / 2`, 1 above `width / 2`, smooth between."""
    t = np.clip(value / width + 0.5, 0, 1)
    result: Points = t * t * (3 - 2 * t)
    return result
