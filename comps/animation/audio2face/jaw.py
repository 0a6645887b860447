"""The jaw: the rigid motion of the lower teeth (NVIDIA Audio2Face-3D SDK 1.0.0, MIT)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def pose_jaw(neutral: Array, delta: Array, *, strength: float, height_offset: float, depth_offset: float) -> Array:
    """Matrices `[n, 4, 4]`, p' = R p + t, that best take the teeth's points to where they move.

    The points `neutral` `[5, 3]` move to neutral + delta * strength with `delta` `[n, 5, 3]`, raised by
    `height_offset` (y) and put forward by `depth_offset` (z), in mesh units. R is a rotation, never a reflection.
    """
    target: Array = neutral + delta * strength + np.array([0.0, height_offset, depth_offset])
    return rigid_fit(neutral, target)


def rigid_fit(source: Array, targets: Array) -> Array:
    """Least-squares rigid transforms `[n, 4, 4]` of points `[k, 3]` to `[n, k, 3]` (W. Kabsch, Acta Cryst. A32, 1976)."""
    middle: Array = source.mean(axis=0)
    middles: Array = targets.mean(axis=1)
    covariance: Array = np.einsum("nki,kj->nij", targets - middles[:, None], source - middle)
    left, _, right = np.linalg.svd(covariance)
    sign: Array = np.ones((len(targets), 3))
    sign[:, 2] = np.sign(np.linalg.det(left @ right))
    rotation: Array = (left * sign[:, None, :]) @ right
    transforms: Array = np.zeros((len(targets), 4, 4))
    transforms[:, :3, :3] = rotation
    transforms[:, :3, 3] = middles - rotation @ middle
    transforms[:, 3, 3] = 1
    return transforms
