"""Which way the head is turned, from the landmarks of a face mesh: the mean face in the pose that fits them best.

The angles are those of a weak-perspective view. MediaPipe's own transformation matrix reads turns of 20 degrees, planted
in pictures with the mean face's depths, as 16.5; this fit reads 20. Nods that are planted so the landmarks follow in part
alone; the fit's nod is divided by that part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.animation.coach.image.pose import HeadPose
from comps.animation.engines.portrait.rig.mesh import FaceMesh, features_of
from comps.animation.engines.portrait.rig.shape import MEAN, Pose

Points = NDArray[np.float64]

_CHIN, _INNER_LIPS = range(5, 12), range(60, 68)
_FIRST_BROW = 17
"""The points before it are the border of the face."""
_RIGID = np.array([point for point in range(68) if point not in (*_CHIN, *_INNER_LIPS)])
"""Points that an open mouth hardly moves."""
_LEVEL = np.radians(7.0)
"""How far the mean face nods when it looks straight ahead: tilted by this, turned heads do not lean."""
_PULL = np.where(_RIGID < _FIRST_BROW, 0.7, 1.0)[:, None]
"""How much each of these points counts: those at the border of the face slide along it when the head turns. With 1 a turn
of 20 degrees leaks 3.3 into the nod of one presenter, with this 2.9; nods themselves hardly change."""
NOD_FOLLOWED, _NOD_LEVEL = 0.65, 10.0
"""Share of a nod planted by warping that the fit reads (0.61 to 0.71 in six portraits); and what is then read, on average,
of heads that look straight ahead, in degrees."""
_MOST_NOD = 90.0
_SPREAD = 0.05
"""Distance in eye distances from which a point pulls less than in proportion: faces are no copies of the mean one."""
_HEIGHT_SPREAD = 0.1
"""Spread of the logarithm of how much longer than the mean a face is."""
_STEPS, _DONE = 20, 1e-3
"""Most steps of the fit, and the step, in radians and parts of an eye distance, after which it ends."""
_STARTS = (-0.3, 0.3)
"""Turns in radians from which the fit begins; the best one counts."""


@dataclass(frozen=True, slots=True)
class MeshPose:
    """The `head`, and `unit`, the pixels that its eyes would be apart if it looked straight ahead."""

    head: HeadPose
    unit: float


def _level_mean() -> Points:
    cos, sin = np.cos(_LEVEL), np.sin(_LEVEL)
    return np.asarray(MEAN[_RIGID] @ np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]]), np.float64)


_SHAPE = _level_mean()


def mesh_pose(mesh: FaceMesh) -> MeshPose:
    """The pose of `mesh`."""
    targets = features_of(mesh.points)[_RIGID]
    middle, unit = targets.mean(0), max(mesh.eye_distance, 1e-6)
    fits = [_fitted((targets - middle) / unit, yaw) for yaw in _STARTS]
    values = min(fits, key=lambda fit: fit[1])[0]
    yaw, nod, roll = (float(v) for v in np.degrees(values[1:4]))
    pitch = float(np.clip(nod / NOD_FOLLOWED - _NOD_LEVEL, -_MOST_NOD, _MOST_NOD))
    head = HeadPose(yaw, pitch, roll)
    return MeshPose(head, unit * float(np.exp(values[0])))


def _fitted(targets: Points, yaw: float) -> tuple[Points, float]:
    """Log scale, yaw, pitch, roll, offset x and y, and log height, by Gauss-Newton from `yaw`; and what is left."""
    values = np.array([0.0, yaw, 0.0, _roll(targets), 0.0, 0.0, 0.0])
    for _ in range(_STEPS):
        residual = _residual(values, targets)
        slopes = [(_residual(values + nudge, targets) - residual) / 1e-5 for nudge in 1e-5 * np.eye(len(values))]
        weight = _weights(residual)
        step, *_ = np.linalg.lstsq(np.stack(slopes, 1) * weight[:, None], -residual * weight, rcond=None)
        values = values + np.clip(step, -0.4, 0.4)
        if np.abs(step).max() < _DONE:
            break
    residual = _residual(values, targets)
    return values, float((2 * np.sqrt(1 + residual**2) - 2).sum())


def _roll(targets: Points) -> float:
    """The slope of the line from the right to the left corner of the eyes, whichever way up the face is."""
    right, left = targets[_at(36)], targets[_at(45)]
    return float(np.arctan2(left[1] - right[1], left[0] - right[0]))


def _at(point: int) -> int:
    return int(np.flatnonzero(point == _RIGID)[0])


def _weights(residual: Points) -> Points:
    """Square roots of the weights that make least squares a soft L1 norm."""
    return np.asarray((1 + residual**2) ** -0.25, np.float64)


def _residual(values: Points, targets: Points) -> Points:
    scale, yaw, pitch, roll, x, y, height = values
    view = Pose(float(np.exp(scale)), yaw, pitch, roll, (x, y))
    apart = (view.project(_SHAPE * [1.0, np.exp(height), 1.0]) - targets) / _SPREAD
    return np.append((_PULL * apart).ravel(), height / _HEIGHT_SPREAD)
