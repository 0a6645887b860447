"""Thin-plate splines: the smoothest displacement of the plane that moves given points as told (Bookstein, 1989)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def _kernel(a: Points, b: Points) -> NDArray[np.floating]:
    dx, dy = (a[:, None, axis] - b[None, :, axis] for axis in (0, 1))
    squared = dx * dx + dy * dy
    squared += 1e-9
    result: NDArray[np.floating] = squared * np.log(squared)
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
        # OpenCV solves on one thread; BLAS would spin on all of them for a system this small.
        self._solution = np.asarray(cv2.solve(system, wanted, flags=cv2.DECOMP_LU)[1])

    def __call__(self, points: Points) -> Points:
        """Values `[k, m]` at `points` `[k, 2]`."""
        count = len(self._centres)
        # Single precision is ample for displacements and halves the time of the logarithms.
        kernel = _kernel(points.astype(np.float32), self._centres.astype(np.float32))
        bent = np.einsum("nc,cm->nm", kernel, self._solution[:count].astype(np.float32))
        result: Points = bent + np.hstack([np.ones((len(points), 1)), points]) @ self._solution[count:]
        return result
