"""Phones from the sounds of an ear, as they come; what is long past is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from comps.core.hearing.front_end import FRAME_S
from comps.core.hearing.sounds import SOUNDS
from comps.core.speech import Phone

Labels = NDArray[np.intp]

SHORTEST_PAUSE_S = 0.10
"""A shorter silence between sounds is the closure of a stop and belongs to the sound before it."""
KEEP_S = 0.5


class HeardPhones:
    """The phones of one stream. The last one goes on for as long as it is known to."""

    def __init__(self) -> None:
        self._labels: Labels = np.zeros(0, np.intp)
        self._first = 0
        self._runs: list[list[int]] = []

    @property
    def end(self) -> float:
        """Seconds up to which the sounds are known."""
        return (self._first + len(self._labels)) * FRAME_S

    @property
    def recent(self) -> Sequence[Phone]:
        """Phones with times in seconds, in order and without gaps, from `KEEP_S` ago at the latest."""
        shortest = round(SHORTEST_PAUSE_S / FRAME_S)
        phones: list[Phone] = []
        for sound, start, end in self._runs:
            if phones and (phones[-1].phone == SOUNDS[sound] or (sound == 0 and end - start < shortest)):
                phones[-1] = Phone(phones[-1].phone, phones[-1].start, end * FRAME_S)
            else:
                phones.append(Phone(SOUNDS[sound], start * FRAME_S, end * FRAME_S))
        return phones

    def add(self, labels: Labels) -> None:
        """Hear the next frames: indices in `SOUNDS`."""
        at = self._first + len(self._labels)
        for frame, sound in enumerate(labels.tolist(), at):
            if self._runs and self._runs[-1][0] == sound:
                self._runs[-1][2] = frame + 1
            else:
                self._runs.append([sound, frame, frame + 1])
        self._labels = np.concatenate([self._labels, labels])

    def around(self, times: NDArray[np.float64], reach: int) -> Labels:
        """The sounds `[n, 2 reach + 1]` of the frames around each time; silence before the first, the last one after it."""
        middle = np.floor(times / FRAME_S + 1e-6).astype(np.intp)[:, None] - self._first
        index = middle + _span(reach)
        if not len(self._labels):
            return np.zeros(index.shape, np.intp)
        known: Labels = self._labels.take(index, mode="clip")
        known[index < 0] = 0
        return known

    def forget(self, before: float) -> None:
        """Drop what ended more than `KEEP_S` before the time `before`."""
        frame = int((before - KEEP_S) / FRAME_S)
        self._runs = [run for run in self._runs if run[2] > frame]
        drop = frame - self._first
        if drop > 0:
            self._labels = self._labels[drop:].copy()
            self._first = frame


@lru_cache(maxsize=8)
def _span(reach: int) -> Labels:
    return np.arange(-reach, reach + 1)


def phones_of(sounds: Labels, seconds: float) -> tuple[Phone, ...]:
    """The phones of whole audio of so many seconds from the sounds of all its frames."""
    heard = HeardPhones()
    heard.add(sounds)
    return tuple(Phone(phone.phone, phone.start, min(phone.end, seconds)) for phone in heard.recent)
