from itertools import pairwise

import numpy as np
import pytest

from comps.core.speech import Phone, SpeechChunk
from comps.tts.chunks import ChunkAssembler
from comps.tts.loudness import amplify, loudness
from comps.tts.stretch import TimeStretch

RATE = 22050


def tone(seconds: float, level: float = 1.0, hertz: float = 997.0) -> np.ndarray:
    wave = np.sin(np.arange(int(RATE * seconds)) * 2 * np.pi * hertz / RATE)
    return np.asarray(wave * 32767 * level, dtype=np.int16)


def test_a_full_scale_tone_has_the_loudness_of_the_standard() -> None:
    assert loudness(tone(3), RATE) == pytest.approx(-3.01, abs=0.1)
    assert loudness(tone(3, 0.1), RATE) == pytest.approx(-23.01, abs=0.1)


def test_silence_around_it_changes_nothing() -> None:
    quiet = np.zeros(3 * RATE, np.int16)
    assert loudness(np.concatenate((quiet, tone(3), quiet)), RATE) == pytest.approx(-3.2, abs=0.4)
    assert loudness(quiet, RATE) == float("-inf")
    assert np.isfinite(loudness(tone(0.05), RATE))


def test_amplify_is_linear_below_the_knee_and_bends_above() -> None:
    assert np.abs(amplify(tone(0.1, 0.1), 2.0) - 2.0 * tone(0.1, 0.1)).max() <= 2
    loud = amplify(tone(0.1), 3.0)
    assert np.abs(loud.astype(int)).max() <= 32767
    ordered = amplify(np.arange(0, 32767, 50, dtype=np.int16), 1.5).astype(int)
    assert all(a <= b for a, b in pairwise(ordered))


@pytest.mark.parametrize("tempo", [0.5, 0.8, 1.5, 2.0])
def test_stretched_speech_has_exactly_the_length_asked_for(tempo: float) -> None:
    stretch, speech = TimeStretch(tempo, RATE), tone(2, 0.5, 220)
    pieces = [stretch.feed(speech[at : at + 441]) for at in range(0, len(speech), 441)]
    result = np.concatenate([*pieces, stretch.finish()])
    assert len(result) == round(len(speech) / tempo)
    spectrum = np.abs(np.fft.rfft(result[2000:12000].astype(float)))
    assert np.argmax(spectrum) * RATE / 10000 == pytest.approx(220, abs=5)


def test_no_stretch_passes_samples_through() -> None:
    stretch, speech = TimeStretch(1.0, RATE), tone(0.1)
    assert stretch.feed(speech) is speech
    assert len(stretch.finish()) == 0
    assert len(TimeStretch(2.0, RATE).finish()) == 0


def test_chunks_wait_until_the_phones_ahead_are_known() -> None:
    chunks: list[SpeechChunk] = []
    assembler = ChunkAssembler("text", 1000, chunks.append)
    assembler.add(np.ones(1000, np.int16), [], [])
    assert chunks == []
    assembler.add(np.empty(0, np.int16), [Phone("a", 0.0, 0.35)], [])
    assert [len(chunk.pcm) for chunk in chunks] == [100]
    assembler.finish()
    assert sum(len(chunk.pcm) for chunk in chunks) == assembler.samples == 1000
    assert [chunk.last for chunk in chunks].index(True) == len(chunks) - 1
    assert chunks[0].text == "text"
