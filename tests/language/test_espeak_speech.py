from __future__ import annotations

import numpy as np
import pytest

from comps.core.language.espeak_library import RawSettings
from comps.core.language.espeak_speech import spoken


@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_phones_cover_the_sound_at_the_rate_that_is_asked_for(rate: int) -> None:
    audio, phones = spoken("My mama.", RawSettings("gmw/en-US", rate=160), rate)
    assert audio.dtype == np.float32
    assert 0.2 < np.abs(audio).max() <= 1
    assert "".join(phone.phone for phone in phones).count("m") == 3
    assert phones[-1].end == pytest.approx(len(audio) / rate, abs=0.05)
