"""The mel is the original's, however the audio comes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.engines.wav2lip.mel import SILENCE, MelStream, filter_bank, mel_spectrogram
from tests.neural.parity import assert_close, fixture


def chirp() -> np.ndarray:
    audio: np.ndarray = fixture("wav2lip_mel")["chirp_wav_i16"].astype(np.float32) / 32768
    return audio


def test_it_is_the_originals() -> None:
    expected = fixture("wav2lip_mel")
    assert_close(mel_spectrogram(chirp()), expected["chirp_mel"], 1e-5)
    assert_close(filter_bank(), expected["mel_basis"], 1e-8)


def test_digital_silence_is_the_lowest_value_everywhere() -> None:
    assert (mel_spectrogram(np.zeros(4000)) == SILENCE).all()


@pytest.mark.parametrize("samples", [0, 1, 199, 200, 399, 400, 401, 799, 800])
def test_short_audio_has_a_column_per_200_samples_and_one(samples: int) -> None:
    mel = mel_spectrogram(np.full(samples, 0.1))
    assert mel.shape == (80, 1 + samples // 200)
    assert mel.dtype == np.float32
    assert np.isfinite(mel).all()


def test_samples_that_are_no_numbers_are_refused_by_name() -> None:
    audio = chirp()
    audio[7000] = np.nan
    with pytest.raises(ValueError, match="finite"):
        mel_spectrogram(audio)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 6000), st.lists(st.integers(0, 2500), max_size=30))
def test_it_does_not_matter_where_the_audio_is_cut(samples: int, lengths: list[int]) -> None:
    audio = chirp()[:samples]
    cuts = np.minimum(np.cumsum(lengths, dtype=int), samples)
    stream = MelStream()
    parts = [stream.feed(piece) for piece in np.split(audio, cuts)]
    whole = mel_spectrogram(audio)
    np.testing.assert_allclose(np.concatenate([*parts, stream.finish()], axis=1), whole, rtol=0, atol=1e-6)
    assert stream.columns == whole.shape[1]


def test_a_column_comes_as_soon_as_the_25_ms_after_it_were_heard() -> None:
    stream, audio = MelStream(), chirp()
    assert stream.feed(audio[:400]).shape[1] == 0
    for columns in range(1, 20):
        at = 400 + 200 * (columns - 1)
        assert stream.feed(audio[at : at + 1]).shape[1] == 1 if columns == 1 else True
        stream.feed(audio[at + 1 : at + 200])
        assert stream.columns in (columns, columns + 1)
