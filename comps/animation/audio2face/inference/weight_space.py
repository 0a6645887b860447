"""Face parameters without a mesh: the formulas of skin and tongue on weights.

Every shape of the face is a point whose displacement is its weight and whose height in the face says how much lower face it
is (`HEIGHTS`); closing the eyes and opening the lips are displacements of the shapes that do it. So `skin.py` and `tongue.py`
hold as they are. Offsets of the tongue, in mesh units of which about three are its whole range, raise and stretch it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from comps.animation.audio2face.inference.model import Array
from comps.animation.audio2face.names import ARKIT_SHAPES, TONGUE_SHAPES
from comps.animation.audio2face.parameters import Value
from comps.animation.audio2face.skin import SkinRig, SkinSettings, SkinStream
from comps.animation.audio2face.tongue import pose_tongue

HEIGHTS: dict[str, float] = {
    "Jaw": 0.0, "Tongue": 0.25, "Mouth": 0.25, "CheekPuff": 0.35, "NoseSneer": 0.55, "CheekSquint": 0.65, "Eye": 0.75, "Brow": 1.0,
}  # fmt: skip
"""Where on the face a shape acts, 0 the chin and 1 the brows, by the beginning of its name."""
_EYE_CLOSE = {"EyeBlinkLeft": 1.0, "EyeBlinkRight": 1.0, "EyeWideLeft": -1.0, "EyeWideRight": -1.0}
"""What closes the eyes by 1; opened beyond neutral they are wide."""
_LIP_OPEN = {
    "MouthLowerDownLeft": 1.0, "MouthLowerDownRight": 1.0, "MouthUpperUpLeft": 0.6, "MouthUpperUpRight": 0.6,
    "JawOpen": 0.4, "MouthPressLeft": -1.0, "MouthPressRight": -1.0,
}  # fmt: skip
"""What opens the lips by 1; a negative offset presses them."""
_TONGUE_RANGE = 3.0
_RAISE = {"TongueUp": 1.0, "TongueDown": -1.0, "TongueTipUp": 0.3}
_REACH = {"TongueStretch": 1.0, "TongueIn": -1.0}


class WeightSkin:
    """The 52 weights of one stream under its face parameters."""

    def __init__(self, values: Mapping[str, Value], fps: int) -> None:
        self._skin = SkinStream(_rig(), SkinSettings.of(values), fps=fps)

    def pose(self, weights: Array) -> Array:
        """Weights `[n, 52]` of the next frames; never negative."""
        delta = np.zeros((*weights.shape, 3))
        delta[:, :, 0] = weights
        return np.maximum(self._skin.pose(delta)[:, :, 0], 0.0)


@dataclass(frozen=True, slots=True)
class TongueSettings:
    """Strength 0..3 and offsets -3..3 of the tongue, named as in `parameters.FACE`."""

    tongue_strength: float = 1.3
    tongue_height_offset: float = 0.0
    tongue_depth_offset: float = 0.0

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> TongueSettings:
        """Settings from values by parameter name; other names are ignored."""
        names = ("tongue_strength", "tongue_height_offset", "tongue_depth_offset")
        return cls(**{name: float(values[name]) for name in names if name in values})

    def pose(self, weights: Array) -> Array:
        """Weights `[n, 16]` of tongue shapes; never negative."""
        delta = np.zeros((*weights.shape, 3))
        delta[:, :, 0] = weights
        posed = pose_tongue(
            _NEUTRAL_TONGUE, delta, strength=self.tongue_strength,
            height_offset=self.tongue_height_offset, depth_offset=self.tongue_depth_offset,
        )  # fmt: skip
        moved = posed[:, :, 1] * _RAISED + posed[:, :, 2] * _REACHED
        return np.maximum(posed[:, :, 0] + moved / _TONGUE_RANGE, 0.0)


def _rig() -> SkinRig:
    neutral, eye_close, lip_open = np.zeros((3, len(ARKIT_SHAPES), 3))
    neutral[:, 1] = [next(h for part, h in HEIGHTS.items() if name.startswith(part)) for name in ARKIT_SHAPES]
    eye_close[:, 0] = _named(_EYE_CLOSE, ARKIT_SHAPES)
    lip_open[:, 0] = _named(_LIP_OPEN, ARKIT_SHAPES)
    return SkinRig(neutral, eye_close, lip_open)


def _named(values: Mapping[str, float], names: tuple[str, ...]) -> Array:
    return np.array([values.get(name, 0.0) for name in names])


_NEUTRAL_TONGUE = np.zeros((len(TONGUE_SHAPES), 3))
_RAISED, _REACHED = _named(_RAISE, TONGUE_SHAPES), _named(_REACH, TONGUE_SHAPES)
