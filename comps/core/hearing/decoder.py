"""From likelihoods to a sequence of sounds, with a fixed delay: a Viterbi search in which a sound lasts a few frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.core.hearing.acoustic_model import AcousticModel

Plane = NDArray[np.float32]
Labels = NDArray[np.intp]

_SHARPNESS = 0.6
"""How much the likelihood of one frame counts; neighbours are heard in nearly the same sound."""
_HOLD, _SECOND, _FIRST = 2, 1, 0
"""A sound passes two entry states of one frame each before the state in which it may stay: it lasts three frames at least."""


class Decoder:
    """The search of one stream; its result depends on the likelihoods alone, not on how they come.

    A frame's sound is settled `delay` frames later, as the best path then has it.
    """

    def __init__(self, model: AcousticModel, delay: int) -> None:
        self._delay = delay
        self._stay = np.diag(model.transitions).copy()
        self._move = model.transitions.T.copy()
        np.fill_diagonal(self._move, -np.inf)
        self._first = np.full(len(self._stay), -np.inf, np.float32)
        self._second = self._first
        self._hold = self._first.copy()
        self._hold[0] = 0
        self._sources: list[Labels] = []
        self._entered: list[NDArray[np.bool_]] = []

    def step(self, likelihoods: Plane) -> Labels:
        """Hear frames `[n, sounds]`; the sounds of the frames that are settled by them, in order."""
        for heard in likelihoods * np.float32(_SHARPNESS):
            self._advance(heard)
        return self._settle(len(self._sources) - self._delay)

    def finish(self) -> Labels:
        """The sounds of the frames that are left."""
        return self._settle(len(self._sources))

    def _advance(self, heard: Plane) -> None:
        arriving = self._hold + self._move
        source = arriving.argmax(1)
        stayed = self._hold + self._stay
        entered = self._second > stayed
        first = arriving.max(1) + heard
        self._second, self._first, self._hold = self._first + heard, first, np.maximum(self._second, stayed) + heard
        self._sources.append(source)
        self._entered.append(entered)

    def _settle(self, count: int) -> Labels:
        if count <= 0:
            return np.zeros(0, np.intp)
        states = np.stack([self._first, self._second, self._hold])
        state, sound = divmod(int(states.argmax()), len(self._stay))
        labels = np.empty(len(self._sources), np.intp)
        for frame in range(len(labels) - 1, -1, -1):
            labels[frame] = sound
            state, sound = self._before(frame, state, sound)
        del self._sources[:count], self._entered[:count]
        best = states.max()
        self._first, self._second, self._hold = self._first - best, self._second - best, self._hold - best
        return labels[:count]

    def _before(self, frame: int, state: int, sound: int) -> tuple[int, int]:
        """State and sound of the frame before."""
        if state == _HOLD:
            return (_SECOND if self._entered[frame][sound] else _HOLD), sound
        if state == _SECOND:
            return _FIRST, sound
        return _HOLD, int(self._sources[frame][sound])
