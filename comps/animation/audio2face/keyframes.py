"""Keyframes of emotion (`emotion_with_timecode`): the preferred emotion of every frame of a clip."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from comps.animation.audio2face.emotions import Array, emotion_vector
from comps.animation.audio2face.names import FACE_EMOTIONS
from comps.animation.audio2face.parameters import BEGINNING_EMOTION
from comps.core.errors import TooLargeError, UnprocessableError

MOST_KEYS = 10_000
"""Keyframes that may wait to be played; more in one stream are refused."""


class Keyframes:
    """The keyframes of one stream, as they arrive.

    Between two keys every channel goes in a straight line; before the first and after the last it stays.
    A stream does not wait for keys that may come: it holds the last one, and a later key acts from its
    arrival on. Times are seconds from the start of the clip.
    """

    def __init__(self) -> None:
        self._times: Array = np.empty(0)
        self._vectors: Array = np.empty((0, len(FACE_EMOTIONS)))

    def __len__(self) -> int:
        return len(self._times)

    def add(self, keys: Iterable[tuple[float, Mapping[str, object]]], *, now: float = 0.0) -> None:
        """Takes the keys of one message, in any order, before the frame at `now` is made.

        A key with the time of another replaces it; one in the past counts from now. Nothing is taken when one is refused:
        UnprocessableError for a negative time or a weight outside 0..1, TooLargeError for too many keys.
        """
        arrived = sorted(((_time(time), emotion_vector(emotions)) for time, emotions in keys), key=lambda key: key[0])
        played = max(int(np.searchsorted(self._times, now, side="right")) - 1, 0)
        merged = dict(zip(self._times[played:].tolist(), self._vectors[played:], strict=True))
        merged.update((max(time, now), vector) for time, vector in arrived)
        if len(merged) > MOST_KEYS:
            raise TooLargeError(f"more than {MOST_KEYS} emotion keyframes are waiting", param="emotions")
        if merged:
            self._times = np.array(sorted(merged))
            self._vectors = np.stack([merged[time] for time in self._times.tolist()])

    def at(self, times: Array) -> Array | None:
        """Preferred emotions `[n, 10]` at `times` `[n]`, none before the last `now`; None while no key has come."""
        if not len(self):
            return None
        return np.stack([np.interp(times, self._times, channel) for channel in self._vectors.T], axis=1)


def beginning_emotion(requested: Mapping[str, object], deployed: Array) -> Array:
    """The emotion `[10]` that a stream begins with: the request's where it names any, the deployment's else."""
    return emotion_vector(requested, BEGINNING_EMOTION) if requested else deployed


def _time(time: float) -> float:
    if not 0 <= time < math.inf:
        raise UnprocessableError(f"emotion time_code = {time} is out of range; allowed is 0 or more", param="time_code")
    return float(time)
