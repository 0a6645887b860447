"""SilenceGate: what is quieter than speech becomes digital silence, on which the network shuts the mouth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.wav2lip.mel import SILENCE, Mel

LOUDEST_SILENCE = -0.95
"""Highest band, on the mel's scale of -4..4, of a column that holds no speech: white noise 50 dB below full scale reaches it."""
HOLD = 8
"""Columns (100 ms) for which a sound keeps the gate open, so that it does not flutter within a word."""


class SilenceGate:
    """Applied to a mel as it comes; looks only at what was."""

    def __init__(self) -> None:
        self._open_for = 0

    def apply(self, mel: Mel) -> tuple[Mel, NDArray[np.bool_]]:
        """The mel `[80, n]` with -4 in every column where the gate is closed, and those columns as bool `[n]`."""
        closed = np.zeros(mel.shape[1], np.bool_)
        for column, loud in enumerate(mel.max(axis=0, initial=SILENCE) > LOUDEST_SILENCE):
            self._open_for = HOLD if loud else max(0, self._open_for - 1)
            closed[column] = self._open_for == 0
        gated = mel.copy()
        gated[:, closed] = SILENCE
        return gated, closed
