from __future__ import annotations

import numpy as np

from comps.core.media.silence import is_silent

RATE = 16_000


def test_silence_is_told_from_quiet_speech() -> None:
    noise = np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    assert is_silent(np.zeros(0, np.float32))
    assert is_silent(noise * 1e-3)
    assert not is_silent(np.concatenate([np.zeros(RATE, np.float32), noise[:1600] * 0.02]))
