"""Thin-plate splines: the smoothest displacement of the plane that moves given points as told (Bookstein, 1989)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def _kernel(a: Points, b: Points) -> Points:
    squared = ((a[:, None, :] - b[None, :, :]) ** 2).sum(-1)
    result: Points = squared * np.log(squared + 1e-9)
    return result


class ThinPlate:
    """Interpolates values given at `centres` `[n, 2]`; `stiffness` > 0 lets it miss them a little to stay smooth."""

    def __init__(self, centres: Points, values: Points, stiffness: float = 1e-3) -> None:
        """`values` `[n, m]` are m quantities at the centres, all interpolated with one factorisation."""
        count = len(centres)
        ones = np.hstack([np.ones((count, 1)), centres])
        system = np.zeros((count + 3, count + 3))
        system[:count, :count] = _kernel(centres, centres) + stiffness * np.eye(count)
        system[:count, count:] = ones
        system[count:, :count] = ones.T
        wanted = np.vstack([values, np.zeros((3, values.shape[1]))])
        self._centres = centres
        self._solution = np.linalg.solve(system, wanted)

    def __call__(self, points: Points) -> Points:
        """Values `[k, m]` at `points` `[k, 2]`."""
        count = len(self._centres)
        bent = _kernel(points, self._centres) @ self._solution[:count]
        result: Points = bent + np.hstack([np.ones((len(points), 1)), points]) @ self._solution[count:]
        return result
