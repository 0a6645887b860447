"""Which of the faces in a picture is meant, and whether it is large enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from comps.core.errors import FaceError

FaceT = TypeVar("FaceT")

MIN_EYE_DISTANCE = 24.0
"""Pixels between the irises. Below, the mouth is under 18 pixels wide and its lips 4 high: their edges cannot be told."""
SMALL_EYE_DISTANCE = 48.0
"""Pixels between the irises below which a video of 512 pixels enlarges the face more than twice: it looks soft."""
CLEARLY_LARGER = 2.5
"""Another face may be in the picture when it is this many times smaller."""


def choose(faces: Sequence[FaceT], eye_distances: Sequence[float]) -> FaceT:
    """The face that is meant, of all that were found with their `eye_distances` in pixels.

    Raises:
        FaceError: there is none, or another one is nearly as large.
    """
    if not faces:
        raise FaceError(
            "no face was found: use a picture of one face seen from the front, upright, well lit, both eyes visible, "
            "and a hundred pixels wide or more",
            param="image",
        )
    order = sorted(range(len(faces)), key=lambda index: -eye_distances[index])
    if len(order) > 1 and eye_distances[order[0]] < CLEARLY_LARGER * eye_distances[order[1]]:
        raise FaceError(f"{len(faces)} faces were found: crop the picture to the one that shall speak", param="image")
    return faces[order[0]]


def check_size(eye_distance: float) -> None:
    """Raise FaceError when a face with `eye_distance` pixels between its irises is too small to animate."""
    if eye_distance < MIN_EYE_DISTANCE:
        raise FaceError(
            f"the face is too small: its eyes are {eye_distance:.0f} pixels apart and {MIN_EYE_DISTANCE:.0f} are needed; "
            "use a larger picture or crop it to the face before it is made smaller",
            param="image",
        )
