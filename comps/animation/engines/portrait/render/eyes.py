"""Eyes: the lids of one face in every state from open to shut, painted once.

A lid is skin like that above and below the eye, with the dark line of the lashes along its edge. It
is painted into the picture itself, before the picture is warped, so it turns with the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render.anatomy import Anatomy
from comps.animation.engines.portrait.render.colours import sample_skin
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
LASH_BORDER = 0.030
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
    tone = sample_skin(anatomy, planes)
    right, left = (_Eye(anatomy, anatomy.points[part], tone) for part in (slice(36, 42), slice(42, 48)))
    return right.paint(planes), left.paint(planes)


class _Eye:
    """One eye in its own axes: t runs from the viewer's left corner (0) to the right one (1), y down in units."""

    def __init__(self, anatomy: Anatomy, points: Points, tone: Points) -> None:
        """`tone` is the colour `[3]` of the skin around."""
        self._unit = anatomy.unit
        self._tone = tone
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
        luma = planes.luma[top:bottom, left:right]
        chroma = planes.chroma[top // 2 : bottom // 2, left // 2 : right // 2]
        full = self._grid(left, top, luma.shape, 1)
        half = self._grid(left, top, chroma.shape[:2], 2)
        self._lashes = self._find_lashes(luma.astype(np.float64), full)
        states: list[Bytes] = []
        colours: list[Bytes] = []
        for level in range(LEVELS):
            closed = level / (LEVELS - 1)
            states.append(double(self._state(luma[..., None].astype(np.float64), full, closed, 1)[..., 0]))
            colours.append(self._state(chroma.astype(np.float64), half, closed, 2))
        return Lid(left, top, np.stack(states), np.stack(colours))

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
        high = min(0.0, float(self._height(self._upper, np.linspace(0, 1, 9)).min()))
        low = max(0.0, float(self._height(self._lower, np.linspace(0, 1, 9)).max()))
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

    def _state(self, patch: Points, grid: tuple[Points, Points], closed: float, step: int) -> Bytes:
        if closed == 0:
            return np.clip(patch + 0.5, 0, 255).astype(np.uint8)
        t, y = grid
        upper, lower = self._height(self._upper, t), self._height(self._lower, t)
        edge = upper + closed * (lower + 0.008 - upper)
        pixel = step / self._unit
        taper = _ramp(np.minimum(t, 1 - t) / 0.10 + 0.35)
        top = self._lashes + LASH_BORDER
        above = _ramp((y - upper + top) / LASH_BORDER) * _ramp((edge - y) / (1.2 * pixel) + 0.5)
        line = max(0.85 * self._lashes, LASH_LINE)
        lash = np.exp(-(((edge - 0.3 * line - y) / (0.6 * line + 0.35 * pixel)) ** 2)) * taper
        mixed = min(1.0, closed / FADE_IN)
        skin = self._skin(patch, (t, y), (upper, lower), step)
        painted = patch + (above * mixed * _ramp(np.minimum(t, 1 - t) / 0.06 + 1.0))[..., None] * (skin - patch)
        painted += (lash * mixed * 0.88)[..., None] * (self._dark(patch, t, y - upper) - painted)
        return np.clip(painted + 0.5, 0, 255).astype(np.uint8)

    def _skin(self, patch: Points, grid: tuple[Points, Points], lids: tuple[Points, Points], step: int) -> Points:
        """The lid without its eye: colours from above the lashes to below the lower lid, rounded by light."""
        t, y = grid
        upper, lower = lids
        smooth = np.asarray(cv2.GaussianBlur(patch, (0, 0), 0.03 * self._unit / step), np.float64).reshape(patch.shape)
        over = self._around(smooth, (t, upper - self._lashes), (-0.03, -0.06, -0.09), grid)
        under = self._around(smooth, (t, lower), (0.05, 0.08, 0.11), grid)
        share = np.clip((y - upper + self._lashes) / (lower - upper + self._lashes + 1e-6), 0, 1)
        skin = over + share[..., None] * 0.7 * (under - over)
        bulge = np.sin(np.pi * share) * np.sin(np.pi * np.clip(t, 0, 1))
        skin = skin + (0.42 * bulge)[..., None] * (self._tone[[0] if patch.shape[-1] == 1 else [1, 2]] - skin)
        if patch.shape[-1] == 1:
            # An eyeball under the skin: bright where it bulges, dim toward the lashes.
            skin = 16 + (skin - 16) * (1 + 0.04 * bulge - 0.12 * share**3)[..., None]
        return np.asarray(skin)

    def _around(
        self, patch: Points, where: tuple[Points, Points], offsets: tuple[float, ...], grid: tuple[Points, Points]
    ) -> Points:
        """Skin at some of the heights `offsets` from `where`: creases and shadows there are no skin, so the lightest counts most."""
        t, y = where
        found = np.stack([self._sample(patch, (t, y + offset), grid) for offset in offsets])
        mean: Points = found.mean(0)
        if patch.shape[-1] == 1:
            mean = 0.35 * mean + 0.65 * found.max(0)
        return mean

    def _sample(self, patch: Points, where: tuple[Points, Points], grid: tuple[Points, Points]) -> Points:
        """`patch` at places (t, y) for every pixel, linear within the patch."""
        t, y = grid
        # Positions along the patch follow from those of its first pixel, for the axes are straight.
        steps = np.array([[t[0, 1] - t[0, 0], t[1, 0] - t[0, 0]], [y[0, 1] - y[0, 0], y[1, 0] - y[0, 0]]])
        offset = np.stack([where[0] - t[0, 0], where[1] - y[0, 0]], -1) @ np.linalg.inv(steps).T
        found = cv2.remap(
            patch.astype(np.float32),
            offset.astype(np.float32),
            np.empty(0),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(found, np.float64).reshape(patch.shape)

    def _dark(self, patch: Points, t: Points, above: Points) -> Points:
        """The colour of the darkest pixels along the upper lid's edge, `[channels]`."""
        near = (np.abs(above) < 0.04) & (t > 0.1) & (t < 0.9)
        pixels = patch[near] if near.any() else patch.reshape(-1, patch.shape[-1])
        if patch.shape[-1] == 1:
            return np.percentile(pixels, 8, axis=0)
        return np.median(pixels, axis=0)


def _ramp(value: Points) -> Points:
    t = np.clip(value, 0, 1)
    result: Points = t * t * (3 - 2 * t)
    return result
