"""Faces in a picture, by OpenCV's frontal Haar cascades."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.eyes import TURNED, USUAL, Narrowness, find_pair

SEARCH_SIDE = 640
"""The longer side, in pixels, of the picture that is searched."""
TILTS = (0.0, -18.0, 18.0)
"""Degrees by which the picture is turned, in order, until a face is seen: the cascades bear about 15."""


SURE, POSSIBLE = 1.2, 0.7
"""Eye-pair scores (see eyes.py): open eyes seen from the front mostly reach 1.4 to 2.2, ruffles and hands stay below 0.8."""
SURE_TURNED = 1.3
"""The same for pairs that are narrow, as of a turned head."""


@dataclass(frozen=True, slots=True)
class Box:
    """A square that a cascade answered to: centre and side in picture pixels, lean in radians."""

    x: float
    y: float
    side: float
    tilt: float


@dataclass(frozen=True, slots=True)
class Face:
    """A face by its iris centres (x, y) in picture pixels; `score` grows with how eye-like they are."""

    right_eye: NDArray[np.float64]
    left_eye: NDArray[np.float64]
    score: float

    @property
    def centre(self) -> NDArray[np.float64]:
        """The point between the eyes."""
        middle: NDArray[np.float64] = (self.right_eye + self.left_eye) / 2
        return middle

    @property
    def eye_distance(self) -> float:
        """Distance between the irises in picture pixels."""
        return float(np.hypot(*(self.left_eye - self.right_eye)))


_one_at_a_time = threading.Lock()
"""A cascade keeps the picture it searches: two threads in one would find the faces of each other's pictures."""


@lru_cache(maxsize=4)
def _cascade(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / f"haarcascade_{name}.xml"))


def reduced(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """`picture`, `[h, w]` or `[h, w, 3]`, at `scale` times its size, at most 1, but no side without a pixel."""
    height, width = picture.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return picture
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def find_faces(grey: NDArray[np.uint8]) -> list[Face]:
    """Every face with a convincing pair of eyes, best first; `grey` is uint8 `[h, w]`.

    When no face convinces, the best doubtful one is returned alone, its score below `SURE`.
    """
    scale = min(1.0, SEARCH_SIDE / max(grey.shape))
    small = reduced(grey, scale)
    doubtful: list[Face] = []
    for name in ("frontalface_alt2", "frontalface_default"):
        for tilt in TILTS:
            boxes = _search(small, name, tilt, scale)
            faces = _scored(grey, boxes)
            sure = [face for face in faces if face.score >= SURE]
            if not sure:
                # Else, later, a part of a turned face may pass for a face, or an eye and a brow of it for a pair.
                sure = [face for face in _scored(grey, boxes, TURNED) if face.score >= SURE_TURNED]
            if sure:
                return _distinct(sure)
            doubtful += faces
    best = max(doubtful, key=lambda face: face.score, default=None)
    return [best] if best is not None and best.score >= POSSIBLE else []


QUICK_SIDE = 400
"""The longer side, in pixels, of the picture in the quick searches below."""


def face_boxes(grey: NDArray[np.uint8], tilts: Sequence[float] = TILTS) -> list[Box]:
    """Everything that looks like a face in uint8 `[h, w]` `grey`, eyes or not, by a quick search at each of `tilts`."""
    scale = min(1.0, QUICK_SIDE / max(grey.shape))
    small = reduced(grey, scale)
    return [box for tilt in tilts for box in _search(small, "frontalface_alt2", tilt, scale)]


def find_more(grey: NDArray[np.uint8], known: Sequence[Face], tilts: Sequence[float] = TILTS) -> list[Face]:
    """Sure faces beside the `known` ones, at any of `tilts` degrees; quicker than `find_faces`, blind to small faces."""
    beside = [
        box
        for box in face_boxes(grey, tilts)
        if all(np.hypot(box.x - face.centre[0], box.y - face.centre[1]) > box.side / 2 for face in known)
    ]
    seen = [_with_eyes(grey, box) for box in beside]
    sure = sorted((face for face in seen if face is not None and face.score >= SURE), key=lambda face: -face.score)
    return [face for face in _distinct([*known, *sure]) if all(face is not other for other in known)]


def _scored(grey: NDArray[np.uint8], boxes: Sequence[Box], narrower: Narrowness = USUAL) -> list[Face]:
    """Those of `boxes` that have eyes, best first."""
    seen = [_with_eyes(grey, box, narrower) for box in boxes]
    return sorted((face for face in seen if face is not None), key=lambda face: -face.score)


def _with_eyes(grey: NDArray[np.uint8], box: Box, narrower: Narrowness = USUAL) -> Face | None:
    pair = find_pair(grey, (box.x, box.y, box.side), box.tilt, narrower)
    return Face(pair.right, pair.left, pair.score) if pair is not None else None


def _distinct(faces: list[Face]) -> list[Face]:
    """Without the second sightings of one face."""
    kept: list[Face] = []
    for face in faces:
        if all(np.hypot(*(face.centre - other.centre)) > other.eye_distance for other in kept):
            kept.append(face)
    return kept


def _search(small: NDArray[np.uint8], name: str, tilt: float, scale: float) -> list[Box]:
    height, width = small.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), tilt, 1.0)
    turned = cv2.warpAffine(small, turn, (width, height), borderMode=cv2.BORDER_REPLICATE) if tilt else small
    least = max(24, min(turned.shape) // 16)
    with _one_at_a_time:
        boxes = _cascade(name).detectMultiScale(turned, 1.1, 4, minSize=(least, least))
    back = cv2.invertAffineTransform(turn)
    found = []
    for x, y, w, h in boxes:
        centre = back[:, :2] @ np.array([x + w / 2, y + h / 2]) + back[:, 2]
        found.append(Box(centre[0] / scale, centre[1] / scale, w / scale, float(np.radians(tilt))))
    return found
