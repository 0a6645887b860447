"""Whether there is anything to hear in a recording."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SILENCE = 0.003
"""Root mean square, of full scale, under which audio is taken for silence (-50 dB)."""


def is_silent(audio: NDArray[np.float32]) -> bool:
    """Whether mono float32 audio never gets louder than background noise, in windows of 50 ms at 16 kHz or so."""
    window = 800
    padded = np.pad(audio, (0, -len(audio) % window)).reshape(-1, window)
    return bool(np.sqrt((padded**2).mean(1)).max(initial=0.0) < _SILENCE)
