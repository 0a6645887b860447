"""Lips: where the mouth is open in a frame, and what is painted there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render.mouth import HALF_WIDTH, TOP, Mouth
from comps.animation.engines.portrait.render.planes import Bytes

Plane = NDArray[np.float32]

LEAST_GAP = 0.35
"""Pixels between the lips below which nothing is painted."""
LIP_SHADOW = 0.085
"""Depth, in units, of the shadow that the upper lip casts on the teeth."""


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Inner lip edges in a frame, float32 `[CURVE, 2]` video pixels from corner to corner, meeting at both."""

    upper: Plane
    lower: Plane

    @property
    def gap(self) -> float:
        """Widest opening in pixels."""
        return float(np.linalg.norm(self.lower - self.upper, axis=1).max())


def meet(upper: Plane, lower: Plane, down: Plane) -> Edges:
    """Edges whose lower lip nowhere lies above the upper one: pressed lips share the line between them."""
    open_ = (lower - upper) @ down
    middle = (upper + lower) / 2
    shut = (open_ <= 0)[:, None]
    shut[[0, -1]] = True
    return Edges(np.where(shut, middle, upper), np.where(shut, middle, lower))


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the inside of the mouth is in a frame: 2x3 matrices from face axes (units) to video pixels.

    `light`, 0..1, falls where protruding lips keep it out; `press`, 0..1, is how firmly the lips are shut.
    """

    skull: NDArray[np.float64]
    jaw: NDArray[np.float64]
    tongue: NDArray[np.float64]
    light: float
    press: float


class MouthPainter:
    """Paints the inside of one face's mouth between the lips of a frame."""

    def __init__(self, mouth: Mouth, unit: float) -> None:
        self._mouth = mouth
        self._unit = unit
        self._soft = max(0.45, 0.006 * unit)

    def paint(self, frame: tuple[Bytes, tuple[Bytes, Bytes]], edges: Edges, placement: Placement, share: float) -> None:
        """Paint into `frame`: brightness `[h, w]` and the two colour planes, each `[h / 2, w / 2]`; `share` 0..1 covers."""
        luma, colour = frame
        outline = np.concatenate([edges.upper, edges.lower[::-1]])
        box = _box(outline, luma)
        if box is None:
            return
        left, top, right, bottom = box
        mask = self._mask(outline, box) * np.float32(share)
        light, teeth, tongue = self._layers(box, placement)
        light = 16 + (light - 16) * (self._shade(edges, box) * np.float32(placement.light))
        target = luma[top:bottom, left:right]
        target[:] = target + mask * (light - target) + 0.5
        half = (slice(top // 2, bottom // 2), slice(left // 2, right // 2))
        self._colour((colour[0][half], colour[1][half]), np.dstack([mask, light, teeth, tongue]))

    def press(self, luma: Bytes, edges: Edges, strength: float) -> None:
        """Draw the line between lips pressed together, which hide the one in the picture; `strength` 0..1."""
        line: Plane = ((edges.upper + edges.lower) / 2).astype(np.float32)
        box = _box(line, luma)
        if box is None:
            return
        left, top, right, bottom = box
        target = luma[top:bottom, left:right]
        drawn = np.zeros(target.shape, np.uint8)
        fixed = np.round((line[1:-1] - np.array([left, top])) * 16).astype(np.int32)
        width = max(1, round(0.014 * self._unit))
        cv2.polylines(drawn, [fixed], False, (255,), width, cv2.LINE_AA, 4)
        share = cv2.GaussianBlur(drawn, (0, 0), 0.5 * width + 0.3).astype(np.float32) * np.float32(
            strength * 0.75 / 255
        )
        target[:] = target + share * np.minimum(0, self._mouth.colours.crease - target.astype(np.float32)) + 0.5

    def _mask(self, outline: Plane, box: tuple[int, int, int, int]) -> Plane:
        """How much of each pixel lies between the lips, 0..1."""
        left, top, right, bottom = box
        mask = np.zeros((bottom - top, right - left), np.uint8)
        fixed = np.round((outline - np.array([left, top])) * 16).astype(np.int32)
        cv2.fillPoly(mask, [fixed], (255,), cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(mask, (0, 0), self._soft)
        share: Plane = soft.astype(np.float32) / np.float32(255)
        return share

    def _layers(self, box: tuple[int, int, int, int], placement: Placement) -> tuple[Plane, Plane, Plane]:
        """Brightness of the inside, and how much of it is teeth and tongue."""
        mouth, colours = self._mouth, self._mouth.colours
        tongue = self._warp(mouth.tongue, placement.tongue, box)
        lower = self._warp(mouth.lower_teeth, placement.jaw, box)
        upper = self._warp(mouth.upper_teeth, placement.skull, box)
        light = np.full(upper.shape[:2], colours.cavity[0], np.float32)
        for layer in (tongue, lower, upper):
            light += layer[..., 1] * (layer[..., 0] - light)
        teeth = 1 - (1 - lower[..., 1]) * (1 - upper[..., 1])
        return light, teeth, tongue[..., 1] * (1 - teeth)

    def _warp(self, texture: Plane, matrix: NDArray[np.float64], box: tuple[int, int, int, int]) -> Plane:
        left, top, right, bottom = box
        texel = matrix.copy()
        texel[:, :2] /= self._mouth.texels
        texel[:, 2] += matrix[:, :2] @ np.array([-HALF_WIDTH, TOP]) - np.array([left, top])
        size = (right - left, bottom - top)
        return cv2.warpAffine(texture, texel, size, flags=cv2.INTER_LINEAR).astype(np.float32, copy=False)

    def _shade(self, edges: Edges, box: tuple[int, int, int, int]) -> Plane:
        """Shadow of the lips on what lies behind them."""
        left, top, right, bottom = box
        columns, rows = np.arange(left, right), np.arange(top, bottom, dtype=np.float32)[:, None]
        upper = np.interp(columns, edges.upper[:, 0], edges.upper[:, 1])
        ends = edges.upper[[0, -1], 0]
        depth = np.clip((rows - upper) / (LIP_SHADOW * self._unit), 0, 1)
        reach = min(0.16 * self._unit, 0.28 * float(ends[1] - ends[0]) + 1)
        beside = np.clip(np.minimum(columns - ends[0], ends[1] - columns) / reach, 0, 1)
        shade: Plane = ((0.80 + 0.20 * depth) * (0.55 + 0.45 * beside)).astype(np.float32)
        return shade

    def _colour(self, targets: tuple[Bytes, Bytes], layers: Plane) -> None:
        """Tint the colour planes; `layers` `[2h, 2w, 4]` are mask, brightness, teeth and tongue."""
        colours = self._mouth.colours
        small = cv2.resize(layers, targets[0].shape[::-1], interpolation=cv2.INTER_AREA)
        mask, light, teeth, tongue = (small[..., i] for i in range(4))
        # What is in shadow is lit by the flesh around it: teeth there turn rosy, never grey.
        lit = np.clip((light - 16) / (colours.teeth[0] - 16), 0.15, 1)
        for axis in (1, 2):
            cavity, flesh = colours.cavity[axis], colours.tongue[axis]
            white = colours.teeth[axis] + 0.45 * (1 - lit) * (flesh - colours.teeth[axis])
            inside = cavity + tongue * (flesh - cavity) + teeth * (white - cavity)
            plane = targets[axis - 1]
            plane[:] = plane + mask * (inside - plane) + 0.5


def _box(outline: Plane, luma: Bytes) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom (even) of what is around `outline` in the frame; None when it lies outside."""
    limit = np.array(luma.shape[::-1])
    low = np.clip(np.floor((outline.min(0) - 3) / 2) * 2, 0, limit).astype(int)
    high = np.clip(np.ceil((outline.max(0) + 4) / 2) * 2, 0, limit).astype(int)
    return None if (high <= low).any() else (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
