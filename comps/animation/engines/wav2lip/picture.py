"""The picture as the network takes and gives it: 96x96 pixels, blue first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Box = NDArray[np.int64] | Sequence[int]

SIDE = 96


@dataclass(eq=False, slots=True)
class Face:
    """A face uint8 `[96, 96, 3]` RGB; `encoded` is what the network's face encoder made of it, once it was asked."""

    picture: Picture
    encoded: list[Any] | None = field(default=None, repr=False)


def cropped(frame: Picture, box: Box) -> Picture:
    """The face in `box` of an RGB frame `[h, w, 3]` as uint8 `[96, 96, 3]` RGB."""
    x1, y1, x2, y2 = (int(v) for v in box)
    return cv2.resize(frame[y1:y2, x1:x2], (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def network_input(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Faces uint8 `[n, 96, 96, 3]` RGB as float32 `[n, 6, 96, 96]`: BGR whose lower half is zero, then BGR."""
    bgr = faces[..., ::-1].astype(np.float32) / np.float32(255)
    masked = bgr.copy()
    masked[:, SIDE // 2 :] = 0
    return np.ascontiguousarray(np.concatenate([masked, bgr], axis=3).transpose(0, 3, 1, 2))
