from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.engines.liveavatar.live.blocks import BlockStream, SpeechBlock, model_frame, shown_by
from comps.animation.engines.liveavatar.live.channel import BLOCK_FRAMES, BLOCK_SAMPLES, CHUNK_SAMPLES


def cut(samples: int, rate: int, fps: int, piece: int) -> list[SpeechBlock]:
    stream = BlockStream(rate, fps)
    pcm = np.arange(samples).astype(np.int16)
    blocks = []
    for start in range(0, samples, piece):
        blocks += stream.feed(pcm[start : start + piece])
    return blocks + stream.finish()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60_000),
    st.sampled_from([8_000, 16_000, 22_050, 44_100]),
    st.integers(5, 60),
    st.sampled_from([700, 5_000, 60_000]),
)
def test_blocks_cover_every_frame_once(samples: int, rate: int, fps: int, piece: int) -> None:
    blocks = cut(samples, rate, fps, piece)
    assert [block.sequence for block in blocks] == list(range(len(blocks)))
    assert {len(block.pcm) for block in blocks} == {2 * CHUNK_SAMPLES}
    assert [block.last for block in blocks] == [False] * (len(blocks) - 1) + [True]
    frames = [n for block in blocks for n in shown_by(block.sequence * BLOCK_FRAMES, BLOCK_FRAMES, fps, block.until)]
    assert frames == list(range(-(-samples * fps // rate)))


def test_sound_keeps_its_place_and_overlaps_by_the_look_ahead() -> None:
    blocks = cut(20_000, 16_000, 25, 999)
    sounds = [np.frombuffer(block.pcm, "<i2") for block in blocks]
    whole = np.concatenate([np.arange(20_000).astype(np.int16), np.zeros(20_000, np.int16)])
    for index, sound in enumerate(sounds):
        assert (sound == whole[index * BLOCK_SAMPLES :][:CHUNK_SAMPLES]).all()


@pytest.mark.parametrize("samples", [7_999, 8_000, 8_001])
def test_a_block_is_there_as_soon_as_its_sound_is(samples: int) -> None:
    assert len(BlockStream(16_000, 25).feed(np.zeros(samples, np.int16))) == (samples >= CHUNK_SAMPLES)


def test_no_speech_is_no_block() -> None:
    assert BlockStream(16_000, 25).finish() == []


def test_a_frame_shows_the_programs_frame_of_its_time() -> None:
    assert [model_frame(frame, 25) for frame in range(3)] == [0, 1, 2]
    assert [model_frame(frame, 50) for frame in range(4)] == [0, 0, 1, 1]
    assert [model_frame(frame, 5) for frame in range(3)] == [0, 5, 10]
