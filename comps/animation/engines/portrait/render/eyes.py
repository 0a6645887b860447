"""Eyes: the lids of one face in every state from open to shut, painted once.

A lid is the skin around the eye spread over it without a seam, with the dark line of the lashes along its edge. It
is painted into the picture itself, before the picture is warped, so it turns with the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render.anatomy import Anatomy
from comps.animation.engines.portrait.render.planes import Bytes, Planes, Source, double

Points = NDArray[np.float64]

LEVELS = 14
"""Painted states of a lid; 0 is the picture as it is, the last is shut."""
FADE_IN = 0.22
"""A closing lid is mixed in over this share of its way: the painted lash line replaces the picture's own."""
LASHES = (0.030, 0.120)
"""Bounds of the thickness, in units, of the picture's own lashes above the lid's edge."""
LASH_LINE = 0.035
"""Least thickness of the line that lids and lashes make when they are shut, in units."""
_MARGIN = 0.012
"""How much more than the eye and its lashes a shut lid covers, in units."""
_SPREADS = (0.012, 0.03, 0.06, 0.12, 0.25)
"""Reaches, in units, over which the skin around an eye is spread on its lid."""
_SHADE = 0.12
"""How much dark skin around an eye tells of the lid's colour, compared with light skin."""
LASH_BORDER = 0.036
"""Skin above them, in units, in which the painted lid begins."""


@dataclass(frozen=True, slots=True, eq=False)
class Lid:
    """One eye's patches: `luma` uint8 `[LEVELS, 2h, 2w]` and `chroma` uint8 `[LEVELS, h / 2, w / 2, 2]` at `left`, `top` (even)."""

    left: int
    top: int
    luma: Bytes
    chroma: Bytes

    def put(self, source: Source, level: int) -> None:
        """Paint state `level` into `source`."""
        _, height, width = self.luma.shape
        top, left = 2 * self.top, 2 * self.left
        source.luma[top : top + height, left : left + width] = self.luma[level]
        _, height, width, _ = self.chroma.shape
        top, left = self.top // 2, self.left // 2
        source.chroma[top : top + height, left : left + width] = self.chroma[level]


def paint_lids(anatomy: Anatomy, planes: Planes) -> tuple[Lid, Lid]:
    """The lids of the right and the left eye (the subject's)."""
    right, left = (_Eye(anatomy, anatomy.points[part]) for part in (slice(36, 42), slice(42, 48)))
    return right.paint(planes), left.paint(planes)


@dataclass(frozen=True, slots=True, eq=False)
class _Patch:
    """The surroundings of an eye, `[h, w]` or `[h, w, channels]`.

    `picture` and the `skin` of a shut lid are video levels, `lashes` is their colour; `upper`, `lower` are the heights of the
    lids' edges at every pixel of the `grid` (t, y); `covered` 0..1 is what a shut lid hides, `pixel` its pixels in units.
    """

    picture: Points
    grid: tuple[Points, Points]
    upper: Points
    lower: Points
    skin: Points
    lashes: Points
    covered: Points
    pixel: float


class _Eye:
    """One eye in its own axes: t runs from the viewer's left corner (0) to the right one (1), y down in units."""

    def __init__(self, anatomy: Anatomy, points: Points) -> None:
        self._unit = anatomy.unit
        self._corner = points[0]
        along = points[3] - points[0]
        self._width = max(float(np.linalg.norm(along)), 1e-3)
        self._along = along / self._width
        self._down = np.array([-self._along[1], self._along[0]])
        self._upper = self._lid_curve(points[1:3])
        self._lower = self._lid_curve(points[[5, 4]])
        self._lashes = LASHES[0]

    def _lid_curve(self, points: Points) -> Points:
        """Coefficients a, b of the lid's height t (1 - t) (a + b t) through two points."""
        t, y = self._axes(points)
        t = np.clip(t, 0.15, 0.85)
        system = np.stack([t * (1 - t), t * t * (1 - t)], 1)
        coefficients: Points = np.linalg.solve(system, y).astype(np.float64)
        return coefficients

    def _axes(self, points: Points) -> tuple[Points, Points]:
        shifted = points - self._corner
        return shifted @ self._along / self._width, shifted @ self._down / self._unit

    def _height(self, curve: Points, t: Points) -> Points:
        inside = np.clip(t, 0, 1)
        result: Points = inside * (1 - inside) * (curve[0] + curve[1] * inside)
        return result

    def paint(self, planes: Planes) -> Lid:
        """Every state of this eye's lid over the picture in `planes`."""
        left, top, right, bottom = self._box(planes.luma.shape)
        luma = planes.luma[top:bottom, left:right].astype(np.float64)
        chroma = planes.chroma[top // 2 : bottom // 2, left // 2 : right // 2].astype(np.float64)
        full = self._grid(left, top, luma.shape, 1)
        self._lashes = self._find_lashes(luma, full)
        known = self._known(luma, full)
        whole = self._patch(luma[..., None], full, known, 1)
        small = np.asarray(cv2.resize(known, chroma.shape[1::-1], interpolation=cv2.INTER_AREA), np.float64)
        tint = self._patch(chroma, self._grid(left, top, chroma.shape[:2], 2), small, 2)
        levels = [level / (LEVELS - 1) for level in range(LEVELS)]
        states = [double(self._state(whole, closed)[..., 0]) for closed in levels]
        return Lid(left, top, np.stack(states), np.stack([self._state(tint, closed) for closed in levels]))

    def _find_lashes(self, luma: Points, grid: tuple[Points, Points]) -> float:
        """How far above the lid's edge it is as dark as lashes are, in units."""
        t, y = grid
        above = self._height(self._upper, t) - y
        middle = (t > 0.25) & (t < 0.75)
        heights = np.arange(-0.02, LASHES[1] + 0.06, 0.01)
        rows = [luma[middle & (np.abs(above - height) < 0.012)] for height in heights]
        profile = np.array([row.mean() if len(row) else np.nan for row in rows])
        lower = profile[: len(profile) // 2]
        if np.isnan(lower).all():
            return LASHES[0]
        dark = int(np.nanargmin(lower))
        light = profile[dark:] >= (np.nanmin(profile) + np.nanmax(profile[dark:])) / 2
        end = dark + int(np.argmax(light)) if light.any() else len(heights) - 1
        return float(np.clip(heights[end], *LASHES))

    def _box(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        t = np.array([-0.25, 1.25])
        span = self._corner + t[:, None] * self._width * self._along
        reach = self._unit * self._down
        high = min(0.0, float(self._height(self._upper, np.linspace(0, 1, 9, dtype=np.float64)).min()))
        low = max(0.0, float(self._height(self._lower, np.linspace(0, 1, 9, dtype=np.float64)).max()))
        corners = np.vstack([span + (high - 0.24) * reach, span + (low + 0.14) * reach])
        limit = np.array([shape[1], shape[0]])
        start = np.clip(np.floor(corners.min(0) / 2) * 2, 0, limit - 4).astype(int)
        stop = np.clip(np.ceil(corners.max(0) / 2) * 2, start + 4, limit).astype(int)
        return int(start[0]), int(start[1]), int(stop[0]), int(stop[1])

    def _grid(self, left: int, top: int, shape: tuple[int, ...], step: int) -> tuple[Points, Points]:
        """t and y of every pixel of a patch whose pixels are `step` video pixels wide."""
        half = (step - 1) / 2
        x, y = np.meshgrid(np.arange(shape[1]) * step + left + half, np.arange(shape[0]) * step + top + half)
        return self._axes(np.stack([x, y], -1))

    def _state(self, patch: _Patch, closed: float) -> Bytes:
        if closed == 0:
            return np.clip(patch.picture + 0.5, 0, 255).astype(np.uint8)
        t, y = patch.grid
        edge = patch.upper + closed * (patch.lower + 0.008 - patch.upper)
        taper = _ramp(np.minimum(t, 1 - t) / 0.10 + 0.35)
        above = patch.covered * _ramp((edge - y) / (1.2 * patch.pixel) + 0.5)
        line = max(0.85 * self._lashes, LASH_LINE)
        lash = np.exp(-(((edge - 0.3 * line - y) / (0.6 * line + 0.35 * patch.pixel)) ** 2)) * taper
        mixed = min(1.0, closed / FADE_IN)
        painted = patch.picture + (above * mixed)[..., None] * (patch.skin - patch.picture)
        painted += (lash * mixed * 0.88)[..., None] * (patch.lashes - painted)
        return np.clip(painted + 0.5, 0, 255).astype(np.uint8)

    def _patch(self, picture: Points, grid: tuple[Points, Points], known: Points, step: int) -> _Patch:
        """What all states of a lid share, `picture` `[h, w, c]` in pixels of `step` video pixels."""
        t, y = grid
        upper, lower = self._height(self._upper, t), self._height(self._lower, t)
        skin = _fill(picture, known, self._unit / step)
        if picture.shape[-1] == 1:
            share = np.clip((y - upper + self._lashes) / (lower - upper + self._lashes + 1e-6), 0, 1)
            bulge = np.sin(np.pi * share) * np.sin(np.pi * np.clip(t, 0, 1))
            # An eyeball under the skin: bright where it bulges, dim toward the lashes.
            skin = 16 + (skin - 16) * (1 + 0.04 * bulge - 0.10 * share**3 * (bulge > 0))[..., None]
        return _Patch(
            picture=picture,
            grid=grid,
            upper=upper,
            lower=lower,
            skin=skin,
            lashes=self._dark(picture, t, y - upper),
            covered=_ramp((LASH_BORDER - self._beyond(grid, step)) / LASH_BORDER)
            * _ramp(np.minimum(t, 1 - t) / 0.09 + 1.0),
            pixel=step / self._unit,
        )

    def _beyond(self, grid: tuple[Points, Points], step: int) -> Points:
        """How far each pixel lies outside the eye and its lashes, in units; negative inside."""
        t, y = grid
        steps = np.linspace(0, 1, 25, dtype=np.float64)
        upper, lower = (np.stack([steps, self._height(curve, steps)], 1) for curve in (self._upper, self._lower))
        axes = np.stack([self._along * self._width, self._down * self._unit]) / step
        first = self._corner + np.array([t[0, 0], y[0, 0]]) @ (axes * step)
        rim = ((self._corner + np.concatenate([upper, lower[::-1]]) @ (axes * step)) - first) / step
        outside = np.full(t.shape, 255, np.uint8)
        cv2.fillPoly(outside, [np.round(rim * 16).astype(np.int32)], (0,), cv2.LINE_8, 4)
        away = cv2.distanceTransform(outside, cv2.DIST_L2, 5) * (step / self._unit)
        middle = (self._height(self._upper, t) + self._height(self._lower, t)) / 2
        reach = LASHES[0] + (self._lashes - LASHES[0]) * _ramp((middle - y) / 0.06 + 0.5)
        return np.asarray(away - reach - _MARGIN, np.float64)

    def _known(self, luma: Points, grid: tuple[Points, Points]) -> Points:
        """How far each pixel tells what a lid looks like, 0..1: skin does, most where it is light, the eye does not."""
        beyond = self._beyond(grid, 1)
        skin = _ramp((beyond - 0.4 * LASH_BORDER) / (0.6 * LASH_BORDER))
        near = luma[(beyond > LASH_BORDER) & (beyond < 0.15)]
        if not len(near):
            return np.ones_like(luma)
        dark, light = np.percentile(near, [15, 75])
        # Creases, brows and a dark background beside a turned face are no lids.
        return np.asarray(skin * (_SHADE + _ramp((luma - dark) / max(light - dark, 4.0))), np.float64)

    def _dark(self, patch: Points, t: Points, above: Points) -> Points:
        """The colour of the darkest pixels along the upper lid's edge, `[channels]`."""
        near = (np.abs(above) < 0.04) & (t > 0.1) & (t < 0.9)
        pixels = patch[near] if near.any() else patch.reshape(-1, patch.shape[-1])
        if patch.shape[-1] == 1:
            return np.asarray(np.percentile(pixels, 8, axis=0), np.float64)
        return np.asarray(np.median(pixels, axis=0), np.float64)


def _fill(picture: Points, known: Points, unit: float) -> Points:
    """`picture` `[h, w, c]` with what is not `known` spread smoothly from what is; `unit` is the eye distance in pixels."""
    total: Points = np.zeros(picture.shape)
    weight: Points = np.full(known.shape, 1e-9)
    for sigma in _SPREADS:
        reach = max(0.5, sigma * unit)
        for channel in range(picture.shape[-1]):
            total[..., channel] += _blur(known * picture[..., channel], reach) / sigma**2
        weight += _blur(known, reach) / sigma**2
    return np.asarray(total / weight[..., None], np.float64)


def _blur(values: Points, sigma: float) -> Points:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float64)


def _ramp(value: Points) -> Points:
    t = np.clip(value, 0, 1)
    result: Points = t * t * (3 - 2 * t)
    return result
