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
from comps.animation.engines.portrait.render.colours import Colours, sample_colours
from comps.animation.engines.portrait.render.planes import Planes

Plane = NDArray[np.float32]
Points = NDArray[np.float64]

FINE = 200
"""Pixels per unit at which the textures are drawn."""
OVERSAMPLING = 1.3
"""Texture pixels per video pixel at which they are kept: more would flicker, for they are sampled without a filter."""
HALF_WIDTH, TOP, BOTTOM = 0.62, -0.34, 0.72
"""Edges of the textures in units."""

# Half widths of the upper teeth from the midline outward, in units: incisors, canine, premolars (Wheeler's means over 63 mm).
_UPPER_TEETH = (0.132, 0.102, 0.108, 0.086, 0.070, 0.058)
_LOWER_TEETH = (0.080, 0.086, 0.098, 0.084, 0.070, 0.058)


@dataclass(frozen=True, slots=True, eq=False)
class Mouth:
    """Textures float32 `[h, w, 2]`: brightness (video levels) and coverage (0..1), `texels` pixels to a unit."""

    colours: Colours
    texels: float
    upper_teeth: Plane
    lower_teeth: Plane
    tongue: Plane


def draw_mouth(anatomy: Anatomy, planes: Planes) -> Mouth:
    """The inside of a mouth to go with a face."""
    colours = sample_colours(anatomy, planes)
    wide = float(np.mean(anatomy.half_widths)) / 0.36
    scale = min(1.0, OVERSAMPLING * anatomy.unit / FINE)
    upper = _teeth(_UPPER_TEETH, colours.teeth[0], -0.20, 0.050, wide)
    lower = _teeth(_LOWER_TEETH, colours.teeth[0] * 0.84, 0.19, 0.050, wide)
    tongue = _tongue(colours.tongue[0], wide)
    return Mouth(colours, FINE * scale, *(_shrink(texture, scale) for texture in (upper, lower, tongue)))


def _shrink(texture: Plane, scale: float) -> Plane:
    return np.asarray(cv2.resize(texture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.float32)


def _axes() -> tuple[Points, Points]:
    x = np.arange(int(2 * HALF_WIDTH * FINE)) / FINE - HALF_WIDTH
    y = np.arange(int((BOTTOM - TOP) * FINE)) / FINE + TOP
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
    corner = 0.009 * np.abs(2 * place - 1) ** 4
    bite = edge - direction * (corner + 0.10 * away**2)
    covered = _ramp((bite - y) * direction, 0.008) * _ramp((y - gum) * direction, 0.02)
    covered = covered * _ramp(ends[-1] - away, 0.02)
    between = 1 - 0.08 * np.exp(-(((place * (1 - place)) / 0.045) ** 2)) * (away < ends[-1])
    round_ = 1 - 0.06 * np.abs(2 * place - 1) ** 2
    depth = np.clip(1.02 - 1.5 * away**1.5, 0.22, 1)
    tip = 1 - 0.10 * _ramp(0.02 - (bite - y) * direction, 0.02)
    light = 16 + (bright - 16) * between * round_ * depth * tip
    return _texture(light, covered)


def _tongue(bright: float, wide: float) -> Plane:
    """A tongue lying behind the lower teeth."""
    x, y = _axes()
    across = np.abs(x) / (0.33 * wide)
    top = -0.035 + 0.09 * across**2.2
    covered = _ramp(y - top, 0.03) * _ramp(1.02 - across, 0.12)
    hollow = 1 - 0.22 * np.exp(-((x / 0.03) ** 2)) * _ramp(y - top - 0.05, 0.05)
    light = 16 + (bright - 16) * hollow * (1 - 0.35 * across**2) * (0.62 + 0.38 * _ramp(y - top - 0.05, 0.12))
    return _texture(light, covered)


def _texture(light: Points, covered: Points) -> Plane:
    light, covered = np.broadcast_arrays(light, covered)
    return np.ascontiguousarray(np.stack([light, covered], -1), dtype=np.float32)


def _ramp(value: Points, width: float) -> Points:
    """0 below `-width / 2`, 1 above `width / 2`, smooth between."""
    t = np.clip(value / width + 0.5, 0, 1)
    result: Points = t * t * (3 - 2 * t)
    return result
