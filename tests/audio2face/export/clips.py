"""A clip to export: known weights, a head that turns, emotions, keyframes and sound."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from comps.animation.audio2face.export.exporter import Exporter
from comps.animation.audio2face.export.take import Poses, Take
from comps.animation.audio2face.names import ALL_SHAPES, ARKIT_SHAPES

FRAMES, FPS, RATE = 75, 30, 16_000
TAKE = Take(ALL_SHAPES, FPS, RATE)
SHORT_TAKE = Take(ARKIT_SHAPES, 60, 48_000)
PLACE = {name: place for place, name in enumerate(ALL_SHAPES)}


def clip(frames: int = FRAMES, shapes: int = len(ALL_SHAPES), first: int = 0) -> Poses:
    times = np.arange(first, first + frames)[:, None] / FPS
    weights = 0.5 + 0.5 * np.sin(times * 3 + np.arange(shapes))
    emotions = np.clip(0.3 * np.sin(times + np.arange(10)), 0, 1)
    head = 8 * np.sin(times + np.arange(6)) * (1, 1, 1, 0.01, 0.01, 0.01)
    sound = tuple(np.full(RATE // FPS, frame, "<i2").tobytes() for frame in range(first, first + frames))
    keys = ((0.0, {"joy": 1.0}), (1.0, {"fear": 0.5})) if first == 0 else ()
    return Poses(first, weights, emotions, head, sound, keys)


def written(exporter: Exporter, poses: Poses, *cuts: int) -> bytes:
    """The file of poses that came in pieces, cut before these frames."""
    edges = [0, *cuts, len(poses)]
    pieces = [
        Poses(
            poses.first + a, poses.weights[a:b], poses.emotions[a:b], poses.head[a:b], poses.audio[a:b],
            poses.keyframes if a == 0 else (),
        )
        for a, b in pairwise(edges)
    ]  # fmt: skip
    return exporter.begin() + b"".join(map(exporter.write, pieces)) + exporter.end()
