"""The mean face in three dimensions, and fitting it to the few points that can be trusted.

The mean is measured: 68 iBUG points and both irises of six portraits (photographs, drawings, paintings), aligned by
generalised Procrustes analysis together with their mirror images, so it is symmetric; the crown is the top of the skull,
as far above the eyes as the chin is below. Its unit is the eye distance, its origin lies between the eyes, x points to
the viewer's right, y down and z away from the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_HALF: tuple[tuple[float, float, float], ...] = (
    (-1.078, 0.203, 0.834), (-1.063, 0.428, 0.875), (-1.039, 0.647, 0.855), (-0.992, 0.869, 0.788),
    (-0.918, 1.094, 0.668), (-0.819, 1.259, 0.488), (-0.634, 1.414, 0.219), (-0.384, 1.551, -0.034), (0, 1.631, -0.201),
    (-0.861, -0.195, 0.101), (-0.77, -0.292, 0.005), (-0.632, -0.348, -0.078), (-0.447, -0.348, -0.153), (-0.217, -0.297, -0.201),
    (0, -0.079, -0.241), (0, 0.137, -0.422), (0, 0.309, -0.611), (0, 0.428, -0.669),
    (-0.244, 0.62, -0.337), (-0.106, 0.662, -0.403), (0, 0.663, -0.43),
    (-0.697, 0.012, 0.086), (-0.603, -0.079, 0.001), (-0.437, -0.09, -0.026), (-0.272, 0.043, -0.01), (-0.417, 0.054, -0.039), (-0.574, 0.061, -0.013),
    (-0.343, 1.019, -0.203), (-0.231, 0.906, -0.371), (-0.101, 0.843, -0.448), (0, 0.859, -0.465),
    (0, 1.148, -0.413), (-0.104, 1.138, -0.405), (-0.229, 1.092, -0.344),
    (-0.308, 1.013, -0.23), (-0.152, 0.973, -0.349), (0, 0.969, -0.392), (0, 1.0, -0.388), (-0.154, 1.0, -0.345),
    (-0.472, -0.013, 0.012), (0, -1.65, 0.45),
)  # fmt: skip
"""The right half (viewer's left) and the midline, in iBUG order; then the iris and the crown."""

MIRROR = np.array([
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65, 69, 68, 70,
])  # fmt: skip
"""Index of each point's mirror image: 68 iBUG points, right iris, left iris, crown."""

RIGHT_IRIS, LEFT_IRIS, CROWN = 68, 69, 70


_HALF_INDEX = (
    *range(9), *range(17, 22), *range(27, 31), *range(31, 34), *range(36, 42),
    *range(48, 52), *range(57, 60), *range(60, 63), 66, 67, 68, 70,
)  # fmt: skip
"""Which point each row of `_HALF` is."""


def _mean_shape() -> Points:
    shape = np.zeros((len(MIRROR), 3))
    for index, (x, y, z) in zip(_HALF_INDEX, _HALF, strict=True):
        shape[MIRROR[index]] = -x, y, z
        shape[index] = x, y, z
    return shape


MEAN = _mean_shape()
"""float64 `[71, 3]`: the 68 iBUG points, both irises, the crown."""


@dataclass(frozen=True, slots=True)
class Pose:
    """A weak-perspective view of the mean face: `scale` pixels per eye distance and angles in radians.

    `yaw` is positive when the face turns to the viewer's right, `pitch` when it looks down, `roll` when it leans to the
    viewer's right; `offset` is where the point between the eyes lands, in pixels.
    """

    scale: float
    yaw: float
    pitch: float
    roll: float
    offset: tuple[float, float]

    def project(self, shape: Points = MEAN) -> Points:
        """Where `shape` `[n, 3]` lands in the picture, `[n, 2]` pixels."""
        flat = shape @ _rotation(self.yaw, self.pitch, self.roll)[:2].T
        return np.asarray(flat * self.scale + np.array(self.offset), np.float64)


def _rotation(yaw: float, pitch: float, roll: float) -> Points:
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    lean = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(lean @ nod @ turn, np.float64)
