"""Iris centres: the places in a face from which the edges run outward in a circle and that are dark inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

FACE = 192
"""Width in pixels to which a face box is scaled before its eyes are searched."""
EYE_SPAN = 0.39
"""Eye distance as a fraction of the width of a Haar face box (measured median)."""
EYE_LEVEL = 0.40
"""Height of the eyes in a Haar face box, as a fraction of its side."""

_NEARLY = 0.8
_FINE_DARKNESS = 0.004
"""The darkness inside says that there is an iris, its rim where exactly."""
USUAL_RADIUS = 0.093
"""Radius of an iris in eye distances: 11.7 mm across, eyes 63 mm apart."""


class Narrowness(NamedTuple):
    """How much nearer to each other than `EYE_SPAN` eyes may be: `spread` in widths of a face box, and the `least` part of it."""

    spread: float
    least: float


USUAL, TURNED = Narrowness(0.07, 0.0), Narrowness(0.12, 0.75)
"""Of any head, and of one that may be turned, which by 30 degrees brings the eyes a seventh nearer."""
_WIDER = 0.07
"""Spread, in widths of a face box, of eyes that are further apart."""
TILTS = np.radians([-12.0, 0.0, 12.0])
"""Leans tried around the face's own: a pair is only recognised when it is about level."""

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EyePair:
    """Iris centres `right` and `left` (x, y) in the picture's pixels; `score` grows with how eye-like both are."""

    right: NDArray[np.float64]
    left: NDArray[np.float64]
    score: float


def find_pair(
    grey: NDArray[np.uint8], box: tuple[float, float, float], tilt: float = 0.0, narrower: Narrowness = USUAL
) -> EyePair | None:
    """The best pair of eyes in a face box (centre x, centre y, side; picture pixels) tilted by about `tilt` radians;
    `narrower` is `USUAL` or `TURNED`."""
    pairs = [_pair_at(grey, box, tilt + float(lean), narrower) for lean in TILTS]
    return max((pair for pair in pairs if pair is not None), key=lambda pair: pair.score, default=None)


def _pair_at(
    grey: NDArray[np.uint8], box: tuple[float, float, float], tilt: float, narrower: Narrowness
) -> EyePair | None:
    centre_x, centre_y, side = box
    scale = FACE / side
    cos, sin = np.cos(tilt) * scale, np.sin(tilt) * scale
    matrix = np.array([[cos, sin, 0.0], [-sin, cos, 0.0]])
    matrix[:, 2] = FACE / 2 - matrix[:, :2] @ np.array([centre_x, centre_y])
    smooth = grey if scale > 0.7 else cv2.GaussianBlur(grey, (0, 0), 0.5 / scale)
    face = cv2.warpAffine(smooth, matrix, (FACE, FACE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    votes = eye_votes(face.astype(np.float32), np.array([0.07, 0.09, 0.11, 0.135, 0.16]) * EYE_SPAN * FACE)
    best = _best_pair(_peaks(votes, 0.10, 0.48), _peaks(votes, 0.52, 0.90), narrower)
    if best is None:
        return None
    back = cv2.invertAffineTransform(matrix)
    right, left = (back[:, :2] @ p[:2] + back[:, 2] for p in best[:2])
    return EyePair(right, left, best[2])


def eye_votes(face: Plane, radii: NDArray[np.float64]) -> Plane:
    """How much each pixel is the centre of a dark disc of one of `radii` pixels; about 0..1."""
    votes = np.sort(disc_votes(face, radii), 0)
    return np.asarray(0.6 * votes[-1] + 0.4 * votes[-3], np.float32)


def disc_votes(face: Plane, radii: NDArray[np.float64], darkness: float = 0.012) -> Plane:
    """`eye_votes` for each radius by itself, `[len(radii), h, w]`; `darkness` is the weight of one grey level inside."""
    light = cv2.GaussianBlur(face, (0, 0), 1.0)
    dx, dy = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    size = np.hypot(dx, dy)
    soft = size + max(0.5 * float(np.percentile(size, 90)), 0.15 * float(size.max())) + 1e-3
    dx, dy = dx / soft, dy / soft
    votes = []
    for radius in radii:
        kx, ky, disc = _ring(float(radius))
        ring = cv2.filter2D(dx, -1, kx) + cv2.filter2D(dy, -1, ky)
        dark = cv2.GaussianBlur(light, (0, 0), float(radius) * 2.5) - cv2.filter2D(light, -1, disc)
        votes.append(ring + darkness * np.clip(dark, 0, 60))
    return np.stack(votes).astype(np.float32)


def refine_iris(lightness: Plane, expected: NDArray[np.float64], unit: float) -> tuple[NDArray[np.float64], float]:
    """The iris (x, y, radius) near `expected` (x, y) in a face of `unit` pixels between the eyes, and its votes.

    `lightness` is float32 `[h, w]`, 0..100. The centre is found to a fraction of a pixel.
    """
    reach, half = 0.12 * unit, int(0.45 * unit)
    left, top = (max(0, int(v) - half) for v in expected)
    window = np.ascontiguousarray(lightness[top : top + 2 * half, left : left + 2 * half]) * np.float32(2.55)
    radii = np.array([0.08, 0.09, 0.10, 0.115, 0.13, 0.15]) * unit
    votes = disc_votes(window, radii, _FINE_DARKNESS)
    y, x = np.mgrid[0 : window.shape[0], 0 : window.shape[1]]
    away = np.hypot(x + left - expected[0], y + top - expected[1])
    usual = np.exp(-0.5 * (np.log(radii / unit / USUAL_RADIUS) / 0.35) ** 2)[:, None, None]
    score = np.where(away > reach, -1.0, votes * usual * np.exp(-0.5 * (away / (0.08 * unit)) ** 2))
    _, row, column = (0, *np.unravel_index(int(score.max(0).argmax()), score.shape[1:]))
    size = _outermost(score[:, row, column])
    peak = score.max(0)
    near = [(row, column - 1), (row, column + 1), (row - 1, column), (row + 1, column)]
    if min(row, column) < 1 or row + 2 > peak.shape[0] or column + 2 > peak.shape[1]:
        return np.array([*expected, USUAL_RADIUS * unit]), 0.0
    west, east, north, south = (float(peak[place]) for place in near)
    middle = float(peak[row, column])
    across, down = _vertex(west, middle, east), _vertex(north, middle, south)
    return np.array([left + column + across, top + row + down, radii[size]]), float(votes[size, row, column])


def _outermost(score: NDArray[np.floating[Any]]) -> int:
    """The largest radius that is nearly as good as the best: inside the iris the pupil has a rim too."""
    return int(np.flatnonzero(score >= _NEARLY * score.max())[-1])


def _vertex(before: float, middle: float, after: float) -> float:
    """Where between -0.5 and 0.5 the parabola through three neighbours has its top."""
    bend = before - 2 * middle + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _ring(radius: float) -> tuple[Plane, Plane, Plane]:
    reach = int(np.ceil(radius + 2))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    distance = np.hypot(x, y) + 1e-6
    # The lids hide the top and the bottom of the iris, so the flanks count for more.
    weight = np.exp(-(((distance - radius) / 1.2) ** 2)) * (0.35 + np.abs(x) / distance)
    weight /= weight.sum()
    disc = (distance <= radius * 0.8).astype(np.float32)
    return weight * x / distance, weight * y / distance, disc / disc.sum()


def _peaks(votes: Plane, left: float, right: float) -> NDArray[np.float64]:
    """The strongest local maxima in the columns `left`..`right` (fractions), as rows (x, y, vote)."""
    x0, x1, y0, y1 = (int(v * FACE) for v in (left, right, 0.20, 0.58))
    window = votes[y0:y1, x0:x1]
    maxima = (window == cv2.dilate(window, np.ones((9, 9), np.uint8))) & (window > 0.08)
    rows, columns = np.nonzero(maxima)
    order = np.argsort(-window[rows, columns])[:12]
    return np.stack([columns[order] + x0, rows[order] + y0, window[rows[order], columns[order]]], 1).astype(np.float64)


def _best_pair(
    right: NDArray[np.float64], left: NDArray[np.float64], narrower: Narrowness
) -> tuple[NDArray[np.float64], NDArray[np.float64], float] | None:
    best: tuple[NDArray[np.float64], NDArray[np.float64], float] | None = None
    for a in right:
        for b in left:
            score = float(a[2] + b[2]) * _prior(a, b, narrower)
            if best is None or score > best[2]:
                best = a, b, score
    return best


def _prior(a: NDArray[np.float64], b: NDArray[np.float64], narrower: Narrowness) -> float:
    """How well two peaks sit as a pair of eyes in a Haar face box, 0..1."""
    dx, dy = (b[:2] - a[:2]) / FACE
    middle = (a[:2] + b[:2]) / 2 / FACE
    beyond = float(np.hypot(dx, dy)) - EYE_SPAN
    if beyond < (narrower.least - 1) * EYE_SPAN:
        return 0.0
    terms = (
        beyond / (narrower.spread if beyond < 0 else _WIDER),
        np.arctan2(dy, dx) / 0.22,
        (middle[0] - 0.5) / 0.06,
        (middle[1] - EYE_LEVEL) / 0.05,
        (a[2] - b[2]) / (a[2] + b[2]) / 0.45,
    )
    return float(np.exp(-0.5 * sum(t * t for t in terms)))
