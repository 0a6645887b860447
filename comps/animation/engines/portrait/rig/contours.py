"""Lips, lids, brows and jaw: each outline of the fitted face moved onto the edge it stands for, in canvas pixels.

Every function takes the expected points of one outline and returns them moved, with a confidence 0..1 each.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.canvas import UNIT, Canvas
from comps.animation.engines.portrait.rig.curves import Search, blurred, resample, sample, snap

Points = NDArray[np.float64]
Plane = NDArray[np.float32]
Found = tuple[Points, NDArray[np.float64]]

_DENSE = 25
"""Samples on an outline while it is being moved."""
_CLEAR = 0.45
"""Median edge strength from which an outline is believed."""


def outline(energy: Plane, points: Points, search: Search) -> Found:
    """`points` moved onto the ridge of `energy`, which is about 1 at a clear edge.

    Where no part of the outline is clear it moves less: the expected shape is the better guess then.
    """
    expected = resample(points, _DENSE)
    snapped = snap(energy, expected, search)
    trust = float(np.clip(np.median(snapped.strength) / _CLEAR, 0.0, 1.0))
    shift = (snapped.points - expected) * trust
    moved = points + np.stack([_at_points(points, shift[:, axis]) for axis in range(2)], 1)
    return moved, np.clip(_at_points(points, snapped.strength), 0.05, 1.0)


def _at_points(points: Points, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values given along the dense curve, at the places of the original points."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return np.asarray(np.interp(length / max(length[-1], 1e-9), np.linspace(0, 1, len(values)), values), np.float64)


def lip_colour(canvas: Canvas, outer: Points) -> Plane:
    """How much each pixel is lip rather than skin: about 1 on the lips, 0 on the skin around them.

    Fisher's discriminant in CIE Lab between the inside of the expected outline and a ring around it, so that it works
    for red lips, pale ones and drawings alike. `outer` is the closed outline `[12, 2]`.
    """
    inside = _filled(canvas, outer, -0.025)
    ring = _filled(canvas, outer, 0.17) & ~_filled(canvas, outer, 0.07)
    lab = np.stack([canvas.lightness, canvas.redness, canvas.yellowness], -1)
    lips, skin = lab[inside & canvas.inside], lab[ring & canvas.inside]
    if len(lips) < 20 or len(skin) < 20:
        return np.zeros_like(canvas.lightness)
    spread = np.cov(lips.T) + np.cov(skin.T) + np.eye(3) * 12.0
    axis = np.linalg.solve(spread, lips.mean(0) - skin.mean(0))
    plane = lab @ axis
    low, high = float(np.median(skin @ axis)), float(np.median(lips @ axis))
    return np.asarray((plane - low) / max(high - low, 1e-3), np.float32)


def _filled(canvas: Canvas, outline_points: Points, grow: float) -> NDArray[np.bool_]:
    """The inside of a closed outline, grown by `grow` eye distances (or shrunk)."""
    mask = np.zeros(canvas.lightness.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(outline_points).astype(np.int32)], 255)
    side = 2 * round(abs(grow) * UNIT) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    changed = cv2.dilate(mask, kernel) if grow > 0 else cv2.erode(mask, kernel)
    return np.asarray(changed > 0)


def downward_rise(plane: Plane, sigma: float) -> Plane:
    """How much `plane` rises downward over about 2 * `sigma` pixels."""
    smooth = blurred(plane, sigma)
    return np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 0, 1) / 8.0 * (2.5 * sigma), np.float32)


def dark_ridge(plane: Plane, sigma: float) -> Plane:
    """How much darker than above and below a level line of about 2 * `sigma` pixels' thickness is."""
    smooth = cv2.GaussianBlur(plane, (0, 0), sigma * 1.5, None, sigma)
    reach = max(1, round(2 * sigma))
    above, below = np.roll(smooth, reach, 0), np.roll(smooth, -reach, 0)
    return np.asarray((above + below) / 2 - smooth, np.float32)


def lips(canvas: Canvas, outer: Points) -> Found:
    """The closed outer outline `[12, 2]`; its corners (0 and 6) stay where they are."""
    first, _ = _lips_once(canvas, outer, Search(0.12 * UNIT, 0.06 * UNIT, stiffness=0.2))
    # What the lips look like is clearer once it is roughly known where they are.
    return _lips_once(canvas, first, Search(0.07 * UNIT, 0.04 * UNIT, stiffness=0.15))


def _lips_once(canvas: Canvas, outer: Points, search: Search) -> Found:
    rise = 1.5 * downward_rise(np.clip(lip_colour(canvas, outer), -0.5, 1.5), 0.025 * UNIT)
    upper, sure_upper = outline(rise, outer[:7], search)
    lower, sure_lower = outline(-rise, np.concatenate([outer[6:], outer[:1]])[::-1], search)
    lower, sure_lower = lower[::-1], sure_lower[::-1]
    upper[[0, -1]] = outer[[0, 6]]
    return np.concatenate([upper, lower[1:-1]]), np.concatenate([sure_upper, sure_lower[1:-1]])


def upper_lid(canvas: Canvas, points: Points) -> Found:
    """The lash line, corner to corner."""
    return outline(
        dark_ridge(canvas.lightness, 0.018 * UNIT) / 8.0, points, Search(0.07 * UNIT, 0.035 * UNIT, stiffness=0.25)
    )


def brow(canvas: Canvas, points: Points) -> Found:
    """The middle of the brow's dark band."""
    return outline(
        dark_ridge(canvas.lightness, 0.05 * UNIT) / 8.0, points, Search(0.16 * UNIT, 0.08 * UNIT, stiffness=0.25)
    )


def jaw(canvas: Canvas, points: Points, face: Points) -> Found:
    """The border of the face from ear to ear below: where skin ends, or where the shadow under the chin begins.

    First the whole outline `[17, 2]` is made narrower or wider and longer or shorter, then each part of it moves.
    """
    energy = _border(unlike_skin(canvas, face), face.mean(0))
    middle = (points[0] + points[16]) / 2
    best, best_score = points, -np.inf
    for wide in _WIDTHS:
        for long in _LENGTHS:
            scaled = middle + (points - middle) * np.array([wide, long])
            likely = 0.5 * (np.log(wide) / 0.10) ** 2 + 0.5 * (np.log(long) / 0.09) ** 2
            score = float(sample(energy, resample(scaled, 33)).mean()) * 4.0 - 0.5 * likely
            if score > best_score:
                best, best_score = scaled, score
    return outline(energy, best, Search(0.12 * UNIT, 0.06 * UNIT, stiffness=0.2))


_WIDTHS = np.arange(0.78, 1.13, 0.05)
_LENGTHS = np.arange(0.80, 1.13, 0.04)
"""Sizes of the jaw that are tried, relative to the fitted mean face."""


def _border(other: Plane, centre: Points) -> Plane:
    """How much less like skin it gets on the way out from `centre`: about 1 at the border of the face."""
    smooth = blurred(other, 0.025 * UNIT)
    dx, dy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0) / 8.0, cv2.Sobel(smooth, cv2.CV_32F, 0, 1) / 8.0
    y, x = np.mgrid[0 : other.shape[0], 0 : other.shape[1]].astype(np.float32)
    away_x, away_y = x - np.float32(centre[0]), y - np.float32(centre[1])
    away = np.hypot(away_x, away_y) + 1.0
    energy = (dx * away_x + dy * away_y) / away * np.float32(0.07 * UNIT)
    return np.asarray(np.clip(energy, -0.5, 1.2), np.float32)


def eye_place(canvas: Canvas, points: Points, other: Plane) -> Points:
    """The whole eye `[6, 2]` shifted, widened and opened so that it covers what is unlike the skin around it.

    The iris alone does not say where the eye is: it moves in it.
    """
    middle = points.mean(0)
    inside = np.concatenate([middle + (points - middle) * part for part in (0.3, 0.6, 0.85)])
    ring = np.concatenate([middle + (points - middle) * np.array([1.15, part]) for part in (1.5, 1.9)])
    smooth = blurred(other, 0.02 * UNIT)
    best, best_score = points, -np.inf
    for across in np.arange(-0.10, 0.101, 0.02):
        for down in (-0.03, 0.0, 0.03):
            for open_ in (0.75, 1.0, 1.25):
                change = np.array([1.0, open_])
                shift = np.array([across, down]) * UNIT
                score = float(sample(smooth, middle + (inside - middle) * change + shift).mean())
                score -= float(sample(smooth, middle + (ring - middle) * change + shift).mean())
                score -= 0.25 * ((across / 0.06) ** 2 + (down / 0.03) ** 2 + (np.log(open_) / 0.25) ** 2)
                if score > best_score:
                    best, best_score = middle + (points - middle) * change + shift, score
    return best


def unlike_skin(canvas: Canvas, face: Points) -> Plane:
    """How unlike the skin of the cheeks and nose (inside the hull of `face`) each pixel is, 0 (like) to about 2."""
    hull = cv2.convexHull(np.round(face).astype(np.int32))
    mask = np.zeros(canvas.lightness.shape, np.uint8)
    cv2.fillConvexPoly(mask, hull, 255)
    lab = np.stack([canvas.lightness, canvas.redness, canvas.yellowness], -1)
    skin = lab[(mask > 0) & canvas.inside]
    middle = np.median(skin, 0)
    spread = np.median(np.abs(skin - middle), 0) * 1.5 + np.array([5.0, 2.5, 2.5])
    distance = np.sqrt((((lab - middle) / spread) ** 2).sum(-1))
    return np.asarray(np.clip(distance / 3.0, 0.3, 2.0), np.float32)
