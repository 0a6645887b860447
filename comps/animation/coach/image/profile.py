"""Faces seen from the side, by OpenCV's profile cascade."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.canvas import Canvas

Grey = NDArray[np.uint8]

_CANVAS_SIDE, _ROOM, _LEAST_FACE = 128, 16, 48
"""Side of the reduced canvas, what is added around it, since the cascade asks for room around a face, and the side of the
smallest face looked for on it, in pixels."""
_SURE = 3
"""Hits around a face on the canvas that make it one."""
_one_at_a_time = Lock()
"""A cascade keeps the picture it searches."""


@lru_cache(maxsize=1)
def _cascade() -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_profileface.xml"))


def profiles(grey: Grey, least: int, neighbours: int) -> tuple[bool, bool]:
    """Whether a face that looks to the viewer's left, and one that looks to the right, is in uint8 `[h, w]` `grey`.

    Args:
        grey: the picture.
        least: smallest side of a face in pixels.
        neighbours: how many hits around a face make it one.
    """
    with _one_at_a_time:
        left, right = (
            len(_cascade().detectMultiScale(side, 1.1, neighbours, minSize=(least, least))) > 0
            for side in (grey, np.ascontiguousarray(grey[:, ::-1]))
        )
    return left, right


def profile_side(canvas: Canvas) -> int:
    """-1 when the face on `canvas` passes for one that looks to the viewer's left, 1 to the right; 0 for neither or both."""
    grey = cv2.cvtColor(canvas.rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_CANVAS_SIDE, _CANVAS_SIDE), interpolation=cv2.INTER_AREA)
    roomy = cv2.copyMakeBorder(small, _ROOM, _ROOM, _ROOM, _ROOM, cv2.BORDER_REPLICATE).astype(np.uint8)
    left, right = profiles(roomy, _LEAST_FACE, _SURE)
    return int(right) - int(left)
