"""Boxes: where in each frame the face is that the network sees.

Boxes are `[n, 4]`, each x1, y1, x2, y2 in pixels; the last two lie outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.core.errors import FaceError

Boxes = NDArray[np.int64]
FloatBoxes = NDArray[np.float64]

SMOOTHED = 5
"""Frames averaged."""
JUMP = 0.5
"""Widths of its box that a face moves at most from one frame to the next."""
LEAST_SIDE = 8
"""Pixels of a box below which there is no face to speak of."""


@dataclass(frozen=True, slots=True)
class Pads:
    """Pixels by which a box grows on each side."""

    top: int = 0
    bottom: int = 10
    left: int = 0
    right: int = 0


def padded(boxes: FloatBoxes, pads: Pads, size: tuple[int, int]) -> Boxes:
    """`boxes` cut to whole pixels, grown by `pads`, within a picture of `size` (width, height)."""
    width, height = size
    # A face beyond the upper left edge is cut off there before it is padded, as the original does.
    whole = np.maximum(boxes, 0).astype(np.int64)
    grown = whole + np.array([-pads.left, -pads.top, pads.right, pads.bottom])
    limits = np.array([width, height, width, height])
    return np.clip(grown, 0, limits).astype(np.int64)


def smoothed(boxes: Boxes) -> Boxes:
    """Each box as the mean of the five around it, fewer at the ends, so that jitter goes and no lag comes."""
    if len(boxes) < 2:
        return boxes
    half = SMOOTHED // 2
    sums = np.concatenate([np.zeros((1, 4)), np.cumsum(boxes, axis=0, dtype=np.float64)])
    at = np.arange(len(boxes))
    # As far ahead as back, or a moving box would be pulled towards the middle of the video at its ends.
    reach = np.minimum(half, np.minimum(at, len(boxes) - 1 - at))
    means = (sums[at + reach + 1] - sums[at - reach]) / (2 * reach + 1)[:, None]
    return np.rint(means).astype(np.int64)


def smoothed_as_original(boxes: Boxes) -> Boxes:
    """The original's smoothing: the box and four after it, in place, cut to whole pixels.

    Where fewer are left the last five are averaged, some of them smoothed already; with n < 5 boxes the last 5 - n.
    """
    out = boxes.astype(np.int64).copy()
    for index in range(len(out)):
        whole = index + SMOOTHED <= len(out)
        window = out[index : index + SMOOTHED] if whole else out[len(out) - SMOOTHED :]
        out[index] = window.mean(axis=0).astype(np.int64)
    return out


def tracked(faces: Iterable[Sequence[FloatBoxes]]) -> list[FloatBoxes | None]:
    """The box `[4]` of the same face in each frame, None where it was not seen.

    Args:
        faces: the boxes found in each frame, best first. The first best one is followed: what appears further from
            where it was than half a face for every frame since is another face, or none.
    """
    path: list[FloatBoxes | None] = []
    last: FloatBoxes | None = None
    unseen = 0
    for boxes in faces:
        unseen += 1
        chosen = boxes[0] if last is None and len(boxes) else None
        if last is not None:
            chosen = _nearest(last, boxes, JUMP * unseen)
        if chosen is not None:
            last, unseen = chosen, 0
        path.append(chosen)
    return path


def _nearest(last: FloatBoxes, boxes: Sequence[FloatBoxes], reach: float) -> FloatBoxes | None:
    """The box whose middle is nearest to that of `last`, if within `reach` widths of it."""
    middle, width = (last[:2] + last[2:]) / 2, last[2] - last[0]
    near = [(float(np.hypot(*((box[:2] + box[2:]) / 2 - middle))), box) for box in boxes]
    distance, nearest = min(near, key=lambda pair: pair[0], default=(0.0, None))
    return nearest if distance <= reach * width else None


def filled(found: list[FloatBoxes | None]) -> tuple[FloatBoxes, frozenset[int]]:
    """One box `[4]` for every frame, and the numbers of those that had none.

    Between two frames with a face the box moves evenly from one to the other; before the first and after the last it
    is held. Raises FaceError when no frame has one.
    """
    seen = [index for index, box in enumerate(found) if box is not None]
    if not seen:
        raise FaceError("no frame of this avatar shows a face that can be found: use another one, or give its box")
    known = np.stack([box for box in found if box is not None])
    frames = np.arange(len(found))
    lost = frozenset(range(len(found))) - frozenset(seen)
    return np.stack([np.interp(frames, seen, side) for side in known.T], axis=1), lost


def checked(boxes: Boxes) -> Boxes:
    """`boxes`, or FaceError when one of them is too small to hold a face."""
    if (boxes[:, 2:] - boxes[:, :2]).min() < LEAST_SIDE:
        raise FaceError("the face, or the box given for it, lies at the edge of the picture or is too small")
    return boxes


def scaled(boxes: FloatBoxes, factor: float, offset: tuple[float, float] = (0.0, 0.0)) -> FloatBoxes:
    """`boxes` of a picture in one `factor` times as large, whose corner lies at `offset` (x, y) of the first."""
    return (boxes - np.tile(np.array(offset), 2)) * factor
