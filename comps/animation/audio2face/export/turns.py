"""The head's angles as the rotations of 3D formats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EYE_DISTANCE_M = 0.063
"""The unit of `FaceMotion`'s head translation, in metres: between the pupils of an adult."""


def head_quaternions(head: Array) -> Array:
    """Rotations `[n, 4]` x, y, z, w of `FaceMotion` heads `[n, 6]`, in axes x to the subject's left, y up, z to the front.

    Right-handed, as in glTF and USD. The head leans first, then nods, then turns.
    """
    yaw, pitch, roll = np.radians(head[:, :3]).T / 2
    turn, nod, lean = (_about(axis, half) for axis, half in ((1, yaw), (0, -pitch), (2, -roll)))
    return _times(_times(turn, nod), lean)


def head_positions(head: Array) -> Array:
    """Translations `[n, 3]` in metres, in the same axes."""
    moved: Array = head[:, 3:] * EYE_DISTANCE_M
    return moved


def mirrored(quaternions: Array) -> Array:
    """The same rotations in axes whose x points the other way (left-handed, as in Unity)."""
    other: Array = quaternions * (1, -1, -1, 1)
    return other


def _about(axis: int, half: Array) -> Array:
    rotation: Array = np.zeros((len(half), 4))
    rotation[:, axis], rotation[:, 3] = np.sin(half), np.cos(half)
    return rotation


def _times(a: Array, b: Array) -> Array:
    u, v = a[:, :3], b[:, :3]
    vector = a[:, 3:] * v + b[:, 3:] * u + np.cross(u, v)
    scalar = a[:, 3] * b[:, 3] - (u * v).sum(axis=1)
    product: Array = np.concatenate([vector, scalar[:, None]], axis=1)
    return product
