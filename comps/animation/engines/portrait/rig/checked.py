"""What points can be those of a face that is drawn, and the same points of a picture of another size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from comps.animation.engines.portrait.rig.rig import Rig
from comps.core.errors import UnprocessableError

_CORNERS = {"right_eye": (0, 3), "left_eye": (0, 3), "lips_outer": (0, 6)}
_NARROWEST = 0.05
"""Least width of an eye and a mouth, in eye distances; a face without them cannot be drawn."""


def check_rig(rig: Rig, size: tuple[int, int]) -> None:
    """Raise UnprocessableError, saying what is wrong, unless `rig` can be the face of a picture of `size`."""
    if rig.size != size:
        raise UnprocessableError(f"the rig is for a picture of {rig.size}, this one is {size}", param="rig")
    everything = np.concatenate([rig.points, rig.irises[:, :2], rig.crown[None]])
    # Jaw and crown may lie outside a tight crop, but not by more than the picture itself.
    low, high = -np.array(size, float), 2 * np.array(size, float)
    if not ((everything >= low) & (everything <= high)).all():
        raise UnprocessableError("a point of the rig lies far outside the picture", param="rig")
    if rig.eye_distance < 8 or (rig.irises[:, 2] <= 0).any() or (rig.irises[:, 2] > rig.eye_distance).any():
        raise UnprocessableError("the eyes of the rig coincide, or an iris has no sensible radius", param="rig")
    for name, (first, last) in _CORNERS.items():
        points = rig.group(name)
        if float(np.linalg.norm(points[last] - points[first])) < _NARROWEST * rig.eye_distance:
            raise UnprocessableError(f"the corners of '{name}' coincide", param="rig")
    across = rig.group("left_eye").mean(0) - rig.group("right_eye").mean(0)
    down = rig.group("lips_outer").mean(0) - rig.points[36:48].mean(0)
    if float(across[0] * down[1] - across[1] * down[0]) <= 0:
        raise UnprocessableError(
            "the rig is mirrored: 'right_eye' is the subject's, on the picture's left", param="rig"
        )


def scaled(rig: Rig, factor: float) -> Rig:
    """The rig of the same picture made `factor` times as large."""
    width, height = (max(1, round(side * factor)) for side in rig.size)
    return replace(
        rig,
        size=(width, height),
        points=rig.points * np.float32(factor),
        irises=rig.irises * np.float32(factor),
        crown=rig.crown * np.float32(factor),
    )
