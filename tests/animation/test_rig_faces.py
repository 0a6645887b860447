"""Faces in pictures that are searched at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.avatars import PRESENTERS
from comps.animation.engines.portrait.rig.faces import find_faces

Grey = NDArray[np.uint8]


def grey(name: str, side: int) -> Grey:
    picture = cv2.imread(str(PRESENTERS / name / "portrait.png"), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8)


def places(picture: Grey) -> list[tuple[float, ...]]:
    return [(*face.right_eye, *face.left_eye) for face in find_faces(picture)]


def test_pictures_searched_at_once_keep_their_own_faces() -> None:
    """Two uploads are searched in two threads; a face of one must never be found in the other."""
    pictures = [grey("ada", 300), grey("noor", 200), np.full((260, 260), 120, np.uint8)]
    alone = [places(picture) for picture in pictures]
    assert [len(found) for found in alone] == [1, 1, 0]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(places, pictures * 8))
    assert together == alone * 8
