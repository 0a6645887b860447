"""The phones in audio whose text is not known, so that any speech can move a mouth.

Synthetic voices that the ear was not trained on: `benchmarks/audio2face_embedded.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.core.hearing.ear import Ear
from comps.core.hearing.front_end import SAMPLE_RATE
from comps.core.hearing.heard_phones import phones_of
from comps.core.speech import Phone


def hear_phones(audio: NDArray[np.float32]) -> tuple[Phone, ...]:
    """Phones of `audio` with times in seconds from its first sample, in order and without gaps; pauses are ``""``.

    Blocks for about 0.005 s per second of audio.

    Args:
        audio: mono float32 `[n]` in -1..1 at 16 kHz.
    """
    ear = Ear()
    heard = np.concatenate([np.zeros(0, np.intp), *ear.push(audio), *ear.finish()])
    return tuple(phones_of(heard, len(audio) / SAMPLE_RATE))
