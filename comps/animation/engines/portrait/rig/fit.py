"""Fitting the mean face to irises and mouth corners: how the head is turned, and where all other points must be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.canvas import ORIGIN, UNIT
from comps.animation.engines.portrait.rig.shape import LEFT_IRIS, MEAN, RIGHT_IRIS, Pose

Points = NDArray[np.float64]

_ANCHORS = np.array([RIGHT_IRIS, LEFT_IRIS, 48, 54, 33])
"""Right iris, left iris, right and left corner of the mouth, base of the nose."""
_POINT_SIGMA = np.array([[0.015, 0.015], [0.015, 0.015], [0.05, 0.05], [0.05, 0.05], [0.06, 0.03]]) * UNIT
"""The nostrils' shadow lies at the right height, but leans to the side the face is seen from."""
_PITCH_SIGMA = 0.14
_PRIOR_SIGMA = np.array([0.15, 0.35, _PITCH_SIGMA, 0.05, 0.5, 0.5, 0.05, 0.08])
"""Spread of log scale, yaw, pitch, roll, offset x and y (eye distances), log length and log width of the lower face."""
_STEPS = 12
_SHADOW = 0.03
"""The shadow of the nostrils lies this many eye distances above the base of the nose."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The pose that was found, and `points` float64 `[71, 2]`, the mean face in it, in canvas pixels."""

    pose: Pose
    points: Points


def fit_face(irises: Points, corners: Points, nose: Points, pitch_spread: float = _PITCH_SIGMA) -> Fit:
    """Fit to `irises` and mouth `corners`, each float64 `[2, 2]` (right, left), and the base of the `nose` `[2]`, all in
    canvas pixels, by Gauss-Newton. With a larger `pitch_spread`, in radians, the pitch follows the features further."""
    prior = _PRIOR_SIGMA.copy()
    prior[2] = pitch_spread
    targets = np.concatenate([irises, corners, nose[None] + np.array([0.0, _SHADOW * UNIT])])
    values = np.zeros(len(_PRIOR_SIGMA))
    for _ in range(_STEPS):
        residual = _residual(values, targets, prior)
        columns = []
        for index in range(len(values)):
            nudged = values.copy()
            nudged[index] += 1e-4
            columns.append((_residual(nudged, targets, prior) - residual) / 1e-4)
        step, *_ = np.linalg.lstsq(np.stack(columns, 1), -residual, rcond=None)
        values = values + step
    return Fit(_pose(values), _pose(values).project(_shape(values)))


def _pose(values: NDArray[np.float64]) -> Pose:
    scale, yaw, pitch, roll, x, y = values[:6]
    return Pose(
        scale=float(np.exp(scale)) * UNIT,
        yaw=float(np.clip(yaw, -0.9, 0.9)),
        pitch=float(pitch),
        roll=float(roll),
        offset=(ORIGIN[0] + float(x) * UNIT, ORIGIN[1] + float(y) * UNIT),
    )


def _shape(values: NDArray[np.float64]) -> Points:
    """The mean with its lower face made longer and its mouth wider."""
    shape = MEAN.copy()
    shape[:, 1] *= np.where(shape[:, 1] > 0, np.exp(values[6]), 1.0)
    shape[48:68, 0] *= np.exp(values[7])
    return np.asarray(shape, np.float64)


def _residual(values: NDArray[np.float64], targets: Points, prior: NDArray[np.float64]) -> NDArray[np.float64]:
    projected = _pose(values).project(_shape(values)[_ANCHORS])
    return np.asarray(np.concatenate([((projected - targets) / _POINT_SIGMA).ravel(), values / prior]), np.float64)
