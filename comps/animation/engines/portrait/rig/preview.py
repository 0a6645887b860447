"""Rig preview: the picture with its points and outlines drawn over the face."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.rig import GROUPS, Rig

SIDE = 960
"""Longer side of the preview in pixels."""
_SHIFT = 4
"""Fractional bits of the coordinates given to OpenCV, so that lines lie where the points are."""

_CLOSED = {"right_eye", "left_eye", "lips_outer", "lips_inner"}
_COLOURS: dict[str, tuple[int, int, int]] = {
    "jaw": (242, 193, 78),
    "right_brow": (154, 209, 212),
    "left_brow": (154, 209, 212),
    "nose_bridge": (200, 182, 255),
    "nose_base": (200, 182, 255),
    "right_eye": (122, 229, 130),
    "left_eye": (122, 229, 130),
    "lips_outer": (255, 143, 163),
    "lips_inner": (255, 93, 93),
}
_DOUBTFUL = 0.35


def draw_preview(picture: NDArray[np.uint8], rig: Rig) -> NDArray[np.uint8]:
    """The face of `picture` (uint8 `[h, w, 3]` RGB), enlarged, with its rig drawn over it; points of low
    confidence are hollow. Returns RGB of at most `SIDE` pixels a side."""
    left, top, right, bottom = _window(rig)
    scale = SIDE / max(right - left, bottom - top)
    face = cv2.resize(picture[top:bottom, left:right], None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    layer = np.asarray(face, np.uint8).copy()
    start = 0
    for name, count in GROUPS.items():
        points = _fixed((rig.group(name) - (left, top) + 0.5) * scale - 0.5)
        cv2.polylines(layer, [points], name in _CLOSED, (20, 22, 28), 5, cv2.LINE_AA, _SHIFT)
        cv2.polylines(layer, [points], name in _CLOSED, _COLOURS[name], 2, cv2.LINE_AA, _SHIFT)
        for point, sure in zip(points, rig.confidence[start : start + count], strict=True):
            _dot(layer, point, _COLOURS[name], hollow=float(sure) < _DOUBTFUL)
        start += count
    for x, y, radius in rig.irises:
        centre = _fixed((np.array([x - left, y - top]) + 0.5) * scale - 0.5)
        cv2.circle(layer, _pair(centre), round(radius * scale * 2**_SHIFT), (255, 255, 255), 2, cv2.LINE_AA, _SHIFT)
        _dot(layer, centre, (255, 255, 255), hollow=False)
    return cv2.addWeighted(layer, 0.85, face, 0.15, 0).astype(np.uint8)


def _dot(layer: NDArray[np.uint8], at: NDArray[np.int32], colour: tuple[int, int, int], hollow: bool) -> None:
    cv2.circle(layer, _pair(at), 5 << _SHIFT, (20, 22, 28), -1, cv2.LINE_AA, _SHIFT)
    cv2.circle(layer, _pair(at), int(3.6 * 2**_SHIFT), colour, 2 if hollow else -1, cv2.LINE_AA, _SHIFT)


def _fixed(points: NDArray[np.floating[Any]]) -> NDArray[np.int32]:
    return np.asarray(np.round(points * 2**_SHIFT), np.int32)


def _pair(point: NDArray[np.int32]) -> tuple[int, int]:
    return int(point[0]), int(point[1])


def _window(rig: Rig) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the face with some air, inside the picture."""
    everything = np.concatenate([rig.points, rig.crown[None]])
    air = 0.25 * rig.eye_distance
    low = np.maximum(np.floor(everything.min(0) - air), 0).astype(int)
    high = np.minimum(np.ceil(everything.max(0) + air), rig.size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
