"""What covers the face, as far as it can be told: whether eyes and mouth are seen where they must be."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from threading import Lock

import cv2

from comps.animation.coach.image.view import FaceView

LOWEST_MOUTH = 1.45
"""Eye distances below the eyes beyond which no mouth lies, but the chin or the border of a mask."""
OFF_MOUTH = 0.25
"""Eye distances above or below the mouth of the landmarks beyond which a line is no mouth, but the border of a mask."""
_SIDE = 0.85
"""Side of the window around each eye in which it must be recognised, in eye distances."""
_CASCADES = ("eye", "eye_tree_eyeglasses")
_one_at_a_time = Lock()
"""A cascade keeps the picture it searches."""


@lru_cache(maxsize=2)
def _cascade(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / f"haarcascade_{name}.xml"))


def eyes_seen(view: FaceView) -> int:
    """How many of the two eyes OpenCV's eye cascades recognise where they were found: open ones, behind clear glasses too."""
    return sum(_recognised(view, side) for side in (-0.5, 0.5))


def _recognised(view: FaceView, side: float) -> bool:
    grey = cv2.cvtColor(view.canvas.rgb[view.box(side - _SIDE, -_SIDE, side + _SIDE, _SIDE)], cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (96, 96), interpolation=cv2.INTER_AREA)
    with _one_at_a_time:
        for name in _CASCADES:
            for x, y, width, height in _cascade(name).detectMultiScale(
                small, 1.1, 2, minSize=(20, 20), maxSize=(64, 64)
            ):
                if abs(x + width / 2 - 48) < 12 and abs(y + height / 2 - 48) < 12:
                    return True
    return False


def mouth_clarity(view: FaceView) -> float:
    """How clearly a mouth shows, 0 to 1: a dark line among red where a mouth must be."""
    elsewhere = view.line[1] > LOWEST_MOUTH if view.mesh is None else abs(view.line[1] - view.mouth[1]) > OFF_MOUTH
    if elsewhere:
        return 0.0
    return max(view.anchors.line.clarity, view.anchors.mouth_clarity - 0.05)
