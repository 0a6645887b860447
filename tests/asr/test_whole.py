from __future__ import annotations

import numpy as np

from comps.asr.engines.whole import collected, placed
from tests.asr.conftest import cut


async def test_pieces_become_one() -> None:
    audio = np.arange(10_000, dtype=np.float32)
    assert np.array_equal(await collected(cut(audio)), audio)
    assert len(await collected(cut(audio[:0]))) == 0


def test_words_find_their_place() -> None:
    words = placed(
        "Hello, hello there", [(" Hello,", 0, 1), (" hello", 1, 2), ("there", 2, 3), ("gone", 3, 4), (" ", 4, 5)]
    )
    assert [(w.text, w.char_start, w.char_end) for w in words[:3]] == [
        ("Hello,", 0, 6),
        ("hello", 7, 12),
        ("there", 13, 18),
    ]
    assert words[3].text == "gone"
    assert len(words) == 4
