"""Anatomy: one face in video pixels with its own axes, the line where its lips meet and the points that move it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render.framing import Framing, face_unit
from comps.animation.engines.portrait.rig.rig import Rig

Points = NDArray[np.float64]

CURVE = 33
"""Points along each edge of the lips from corner to corner."""
CLOSED_GAP = 0.045
"""Inner lips nearer than this many units are closed: detectors see a gap in every mouth."""


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """A face in video pixels.

    `unit` is the frontal eye distance in pixels. `across` and `down` are unit vectors of the upright face; `points`
    `[68, 2]`, `irises` `[2, 3]` and `crown` `[2]` are the rig's. `mouth` is the middle of the line between the lips and
    `half_widths` its length to the viewer's left and right, in units. `upper` and `lower` `[CURVE, 2]` are the inner lip
    edges from the viewer's left corner to the right one; they coincide in a closed mouth, and `gap` (units) tells.
    """

    unit: float
    across: Points
    down: Points
    points: Points
    irises: Points
    crown: Points
    mouth: Points
    half_widths: tuple[float, float]
    upper: Points
    lower: Points
    gap: float

    def local(self, points: Points) -> Points:
        """Video points `[..., 2]` in face axes: units right and down from the middle of the mouth."""
        shifted = points - self.mouth
        result: Points = np.stack([shifted @ self.across, shifted @ self.down], -1) / self.unit
        return result

    def vector(self, local: Points) -> Points:
        """Face vectors `[..., 2]` in units as video vectors in pixels."""
        result: Points = (local[..., :1] * self.across + local[..., 1:] * self.down) * self.unit
        return result

    def place(self, local: Points) -> Points:
        """Face points `[..., 2]` as video points."""
        result: Points = self.mouth + self.vector(local)
        return result


def measure(rig: Rig, framing: Framing) -> Anatomy:
    """The anatomy of `rig` as it appears in the video."""
    points = framing.to_video(rig.points).astype(np.float64)
    irises = np.concatenate([framing.to_video(rig.irises[:, :2]), rig.irises[:, 2:] * framing.scale], 1)
    unit = face_unit(rig) * framing.scale
    across = points[42:48].mean(0) - points[36:42].mean(0)
    across /= np.linalg.norm(across)
    down = np.array([-across[1], across[0]])
    upper, lower = _inner_edges(points, across)
    gap = float(np.abs((lower - upper) @ down).max() / unit)
    if gap < CLOSED_GAP:
        upper = lower = (upper + lower) / 2
        gap = 0.0
    ends, mouth = (upper[0], upper[-1]), (upper[CURVE // 2] + lower[CURVE // 2]) / 2
    return Anatomy(
        unit=unit,
        across=across,
        down=down,
        points=points,
        irises=irises.astype(np.float64),
        crown=framing.to_video(rig.crown).astype(np.float64),
        mouth=mouth,
        half_widths=(abs(float((ends[0] - mouth) @ across)) / unit, abs(float((ends[1] - mouth) @ across)) / unit),
        upper=upper,
        lower=lower,
        gap=gap,
    )


def _inner_edges(points: Points, across: Points) -> tuple[Points, Points]:
    """Smooth curves through the inner lips, from corner to corner of the outer lips."""
    left, right = points[48], points[54]
    upper = np.vstack([left, points[60:65], right])
    lower = np.vstack([left, points[60], points[67:64:-1], points[64], right])
    return _resample(upper, across), _resample(lower, across)


def _resample(polyline: Points, across: Points) -> Points:
    """`CURVE` points, evenly spaced along `across`, on a smooth curve through `polyline`."""
    along = np.maximum.accumulate(polyline @ across + np.arange(len(polyline)) * 1e-6)
    even = np.linspace(along[0], along[-1], CURVE)
    dense = np.linspace(along[0], along[-1], 8 * CURVE)
    columns = []
    for axis in range(2):
        straight = np.interp(dense, along, polyline[:, axis])
        reach = len(dense) // 14
        padded = np.concatenate(
            [2 * straight[0] - straight[reach:0:-1], straight, 2 * straight[-1] - straight[-2 : -reach - 2 : -1]]
        )
        window = np.hanning(2 * reach + 1)
        columns.append(np.interp(even, dense, np.convolve(padded, window / window.sum(), mode="valid")))
    return np.stack(columns, 1)
