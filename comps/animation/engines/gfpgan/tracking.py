"""Where the faces of a clip are aligned: at one place for a still avatar, else along smoothed points.

A face is taken out and put back by the same transform, so one that lags does not displace it. One that trembles makes
the network draw skin and hair anew at every frame: the smoothing may be strong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.gfpgan.align import Matrix, fit
from comps.animation.faces.face import DetectedFace, Picture, Points

Detect = Callable[[Sequence[Picture]], list[list[DetectedFace]]]

LEAST_EYE_DISTANCE = 5.0
"""Pixels; a smaller face has nothing to restore."""
_SLOWEST, _READINESS, _SPEED_SHARE = 0.03, 2.0, 0.4
"""Of the filter: lowest cut-off in cycles per frame, how it grows with the speed in eye distances per frame, and the
weight of a new speed."""


class FaceTrack:
    """The alignments of one clip, frame after frame; what it returns does not depend on how frames are grouped.

    Args:
        detect: finds faces with five or more points.
        still: the face keeps its place: it is searched until it is found once.
        only_centre: of several faces take the one nearest to the middle.
    """

    def __init__(self, detect: Detect, *, still: bool, only_centre: bool) -> None:
        self._detect = detect
        self._still = still
        self._only_centre = only_centre
        self._fixed: list[Matrix] = []
        self._moving: list[_SmoothPoints] = []

    def follow(self, frames: Sequence[Picture]) -> list[list[Matrix]]:
        """For each frame RGB uint8 `[h, w, 3]` the alignments of its faces; none where no face is seen. Blocks."""
        if not self._still:
            found = zip(frames, self._detect(frames), strict=True)
            return [self._smoothed(self._points(faces, frame)) for frame, faces in found]
        placed: list[list[Matrix]] = []
        for frame in frames:
            if not self._fixed:
                (faces,) = self._detect([frame])
                self._fixed = _fits(self._points(faces, frame))
            placed.append(self._fixed)
        return placed

    def _points(self, faces: Sequence[DetectedFace], frame: Picture) -> list[Points]:
        """The five points of the faces that count."""
        points = [face.five_points() for face in faces]
        large = [five for five in points if eye_distance(five) >= LEAST_EYE_DISTANCE]
        if not self._only_centre or not large:
            return large
        middle = np.array([frame.shape[1], frame.shape[0]]) / 2
        return [min(large, key=lambda five: float(np.hypot(*(five.mean(0) - middle))))]

    def _smoothed(self, faces: Sequence[Points]) -> list[Matrix]:
        """Each face joined to the nearest of the frame before, if that is nearer than its eyes are apart."""
        earlier, self._moving = self._moving, []
        for five in faces:
            near = min(earlier, key=lambda track: track.distance(five), default=None)
            if near is None or near.distance(five) > eye_distance(five):
                near = _SmoothPoints(five)
            else:
                earlier.remove(near)
                near.move(five)
            self._moving.append(near)
        return _fits([track.points for track in self._moving])


def eye_distance(five: Points) -> float:
    """Pixels between the eyes of five points."""
    return float(np.hypot(*(five[1] - five[0])))


@dataclass(slots=True, eq=False)
class _SmoothPoints:
    """Five points through a low-pass whose cut-off rises with their speed.

    Source: Casiez, Roussel and Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter", 2012.
    """

    points: Points
    speed: float = 0.0

    def move(self, five: Points) -> None:
        step: NDArray[np.float32] = five - self.points
        # The middle of the points says how fast the head moves; the tremble of the detector mostly cancels in it.
        fast = float(np.hypot(*step.mean(0))) / max(eye_distance(five), 1.0)
        self.speed += _SPEED_SHARE * (fast - self.speed)
        turn = 2 * math.pi * (_SLOWEST + _READINESS * self.speed)
        self.points = self.points + np.float32(turn / (turn + 1)) * step

    def distance(self, five: Points) -> float:
        return float(np.hypot(*(five.mean(0) - self.points.mean(0))))


def _fits(faces: Sequence[Points]) -> list[Matrix]:
    fitted = (fit(five) for five in faces)
    return [matrix for matrix in fitted if matrix is not None]
