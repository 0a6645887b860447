"""From likelihoods to a sequence of sounds, with a fixed delay: a Viterbi search in which a sound lasts a while."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.core.hearing.acoustic_model import AcousticModel

Plane = NDArray[np.float32]
Labels = NDArray[np.intp]

STEP = 2
"""Frames that are searched as one."""
_SHARPNESS = 0.7
"""How much the likelihood of one frame counts; neighbours are heard in nearly the same sound."""


class Decoder:
    """The search of one stream.

    On a path every sound lasts two steps at least: it is entered in one and may be held from the next one on. A frame's sound is
    settled `delay` frames later (a multiple of `STEP`), as the best path then has it; which path that is may have changed.
    """

    def __init__(self, model: AcousticModel, delay: int) -> None:
        self._delay = delay // STEP
        self._stay = np.diag(model.transitions) * STEP
        self._move = model.transitions.T.copy()
        np.fill_diagonal(self._move, -np.inf)
        self._entry = np.full(len(self._stay), -np.inf, np.float32)
        self._hold = self._entry.copy()
        self._rows = np.arange(len(self._stay)) * len(self._stay)
        self._hold[0] = 0
        self._sources: list[Labels] = []
        self._entered: list[NDArray[np.bool_]] = []

    def step(self, likelihoods: Plane) -> Labels:
        """Hear frames `[n, sounds]`, n a multiple of `STEP`; the sounds of the frames that are settled by them, in order."""
        steps = likelihoods.reshape(-1, STEP, likelihoods.shape[1]).sum(1) * np.float32(_SHARPNESS)
        for heard in steps:
            self._advance(heard)
        return self._settle(len(self._sources) - self._delay)

    def finish(self) -> Labels:
        """The sounds of the frames that are left."""
        return self._settle(len(self._sources))

    def _advance(self, heard: Plane) -> None:
        arriving = self._hold + self._move
        stayed = self._hold + self._stay
        sources = arriving.argmax(1)
        self._sources.append(sources)
        self._entered.append(self._entry > stayed)
        self._hold = np.maximum(self._entry, stayed) + heard
        self._entry = arriving.take(sources + self._rows) + heard

    def _settle(self, count: int) -> Labels:
        if count <= 0:
            return np.zeros(0, np.intp)
        hold, entry = int(self._hold.argmax()), int(self._entry.argmax())
        holds = bool(self._hold[hold] >= self._entry[entry])
        sound = hold if holds else entry
        labels = []
        for step in range(len(self._sources) - 1, -1, -1):
            labels.append(sound)
            if not holds:
                holds, sound = True, int(self._sources[step][sound])
            elif self._entered[step][sound]:
                holds = False
        del self._sources[:count], self._entered[:count]
        best = self._hold[hold]
        self._hold, self._entry = self._hold - best, self._entry - best
        return np.repeat(np.array(labels[: -count - 1 : -1], np.intp), STEP)
