"""The eyes: predicted rotations, offsets and small jumps from a table (NVIDIA Audio2Face-3D SDK 1.0.0, MIT).

    rotation = offset + eyeballs_strength * prediction + saccade_strength * table[i]
    i        = floor(eye_saccade_seed + 30 * time) modulo the length of the table

The table has 30 rows for a second, whatever the frame rate, and the same row moves both eyes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.parameters import BY_NAME, check

Array = NDArray[np.float64]

_TABLE_RATE = 30


@dataclass(frozen=True, slots=True)
class EyeSettings:
    """Parameters of the eyes, named as in `parameters.FACE`; angles in degrees. UnprocessableError for a value out of range."""

    eyeballs_strength: float = 1.0
    saccade_strength: float = 0.6
    right_eye_rot_x_offset: float = 0.0
    right_eye_rot_y_offset: float = 0.0
    left_eye_rot_x_offset: float = 0.0
    left_eye_rot_y_offset: float = 0.0
    eye_saccade_seed: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            check(BY_NAME[field.name], getattr(self, field.name))


def saccade_rows(frames: NDArray[np.intp], fps: float, seed: float, length: int) -> NDArray[np.intp]:
    """Row of the table for frame numbers `[n]`; from the numbers, so that no rounding adds up."""
    return np.asarray(np.floor(seed + _TABLE_RATE * frames / fps).astype(np.intp) % length)


def pose_eyes(prediction: Array, table: Array, settings: EyeSettings, *, first: int, fps: float) -> tuple[Array, Array]:
    """Rotations `[n, 3]` of the right and the left eye in degrees; about z it is 0.

    `prediction` `[n, 4]` is right x, right y, left x, left y of the frames from number `first` on, `table` `[rows, 2]` x, y.
    """
    frames: NDArray[np.intp] = first + np.arange(len(prediction))
    jumps = settings.saccade_strength * table[saccade_rows(frames, fps, settings.eye_saccade_seed, len(table))]
    right = (settings.right_eye_rot_x_offset, settings.right_eye_rot_y_offset)
    left = (settings.left_eye_rot_x_offset, settings.left_eye_rot_y_offset)
    moved = settings.eyeballs_strength * prediction
    return _rotation(moved[:, :2] + jumps + right), _rotation(moved[:, 2:] + jumps + left)


def _rotation(angles: Array) -> Array:
    return np.concatenate([angles, np.zeros((len(angles), 1))], axis=1)
