"""Where there is speech in audio and where there is none, by its energy alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.01
"""Length of the frames that are judged."""

_FLOOR_DB = -55.0  # nothing below is speech, however quiet the rest
_BELOW_LOUD_DB = 30.0
_ABOVE_NOISE_DB = 9.0
_SHORTEST_PAUSE_FRAMES, _SHORTEST_SPEECH_FRAMES = 12, 3


def speech_frames(audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.bool_]:
    """Whether each frame of `FRAME_S` holds speech: bool `[ceil(seconds / FRAME_S)]`.

    Silences shorter than 0.12 s (closures, gaps within words) count as speech, sounds shorter than
    0.03 s (clicks) as silence.

    Args:
        audio: mono float32 in -1..1.
        sample_rate: Hz.
    """
    size = round(sample_rate * FRAME_S)
    padded = np.pad(audio.astype(np.float32, copy=False), (0, -len(audio) % size)).reshape(-1, size)
    if not len(padded):
        return np.zeros(0, np.bool_)
    level = 10 * np.log10((padded**2).mean(1) + 1e-12)
    loud, noise = np.percentile(level, 95), np.percentile(level, 10)
    threshold = max(_FLOOR_DB, min(loud - _BELOW_LOUD_DB, noise + _ABOVE_NOISE_DB))
    mask = np.asarray(level > threshold, dtype=np.bool_)
    mask = _without_short_runs(mask, value=True, shortest=_SHORTEST_SPEECH_FRAMES)
    return _without_short_runs(mask, value=False, shortest=_SHORTEST_PAUSE_FRAMES)


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int, bool]]:
    """Stretches of equal values: first frame, frame after the last, value."""
    if not len(mask):
        return []
    edges = [0, *(np.flatnonzero(np.diff(mask.astype(np.int8))) + 1).tolist(), len(mask)]
    return [(a, b, bool(mask[a])) for a, b in pairwise(edges)]


def _without_short_runs(mask: NDArray[np.bool_], *, value: bool, shortest: int) -> NDArray[np.bool_]:
    kept: NDArray[np.bool_] = mask.copy()
    for first, stop, held in runs(mask):
        if held == value and stop - first < shortest and (value or (first > 0 and stop < len(mask))):
            kept[first:stop] = not value
    return kept
