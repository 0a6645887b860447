"""Moving a curve of expected points onto an edge of the picture: search along the normals, smooth along the curve."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Plane = NDArray[np.float32]

_NO_MAP = np.zeros(0, np.float32)
"""OpenCV takes x and y together in its first map; the second then has to be empty."""


@dataclass(frozen=True, slots=True)
class Search:
    """How far and how freely a curve may move, in canvas pixels.

    `reach` each way along the normal; `sigma` of the Gaussian prior around the expected place; `stiffness` is the cost
    of one pixel of difference between neighbours, in units of the edge strength of one `sigma`.
    """

    reach: float
    sigma: float
    stiffness: float = 0.15
    step: float = 1.0


@dataclass(frozen=True, slots=True)
class Snapped:
    """Where a curve went: `points` `[n, 2]`, `offsets` `[n]` along the normals, and `strength` `[n]` of the edge there."""

    points: Points
    offsets: NDArray[np.float64]
    strength: NDArray[np.float64]


def normals(curve: Points) -> Points:
    """Unit normals `[n, 2]` of an open curve, to its right when walked along (down for left to right)."""
    along = np.gradient(curve, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    return np.stack([-along[:, 1], along[:, 0]], 1)


def resample(curve: Points, count: int) -> Points:
    """The open curve through `curve` as `count` points at equal distances."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0.0, length[-1], count)
    return np.stack([np.interp(at, length, curve[:, axis]) for axis in range(2)], 1)


def sample(plane: Plane, points: Points) -> NDArray[np.float32]:
    """Bilinear values of `plane` at `points` `[..., 2]`; beyond the border the nearest value."""
    flat = points.reshape(-1, 1, 2).astype(np.float32)
    values = cv2.remap(plane, flat, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values, np.float32).reshape(points.shape[:-1])


def blurred(plane: Plane, sigma: float) -> Plane:
    """`plane` under a Gaussian of `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)


def snap(energy: Plane, curve: Points, search: Search) -> Snapped:
    """The curve on the ridge of `energy` (scaled so that 1 is a clear edge) nearest to where it is expected."""
    across = normals(curve)
    offsets = np.arange(-search.reach, search.reach + 1e-6, search.step)
    values = sample(energy, curve[:, None] + across[:, None] * offsets[None, :, None]).astype(np.float64)
    score = values - 0.5 * (offsets / search.sigma) ** 2
    chosen = _best_path(score, search.stiffness * search.step)
    moved = np.asarray(offsets[chosen], np.float64)
    return Snapped(curve + across * moved[:, None], moved, values[np.arange(len(curve)), chosen])


def _best_path(score: NDArray[np.float64], stiffness: float) -> NDArray[np.int64]:
    """Index per row with the highest sum of `score` less the jumps between rows (Viterbi)."""
    count = score.shape[1]
    index = np.arange(count)
    jump = stiffness * np.abs(index[:, None] - index[None, :])
    total, came = score[0], []
    for row in score[1:]:
        options = total[:, None] - jump
        best = options.argmax(0)
        came.append(best)
        total = options[best, index] + row
    path = [int(total.argmax())]
    for best in reversed(came):
        path.append(int(best[path[-1]]))
    return np.array(path[::-1], np.int64)
