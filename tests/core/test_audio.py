from __future__ import annotations

import io
import struct
import tracemalloc
from contextlib import suppress
from typing import Any

import av
import numpy as np
import pytest
import soxr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from comps.core.errors import TooLargeError, UnprocessableError, UnsupportedMediaError
from comps.core.media.audio import (
    FORMATS,
    MEDIA_TYPES,
    AudioEncoder,
    AudioFormat,
    decode_audio,
    encode_audio,
    read_track,
    wav_header,
)

RATE = 22050
LOSSY_PADDING_S = 0.1
CONTAINERS: tuple[AudioFormat, ...] = ("wav", "mp3", "opus", "flac", "aac")


def tone(seconds: float, rate: int = RATE, hertz: float = 440.0, level: float = 0.4) -> NDArray[np.int16]:
    time = np.arange(round(seconds * rate)) / rate
    return (np.sin(2 * np.pi * hertz * time) * level * 32767).astype(np.int16)


def loudest_hertz(samples: NDArray[np.float32], rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def wav(samples: NDArray[Any], rate: int, code: int) -> bytes:
    """A WAV of samples `[n]` or `[n, channels]`; `code` 1 is integer PCM, 3 float."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    width = samples.dtype.itemsize
    data = samples.tobytes()
    form = struct.pack("<HHIIHH", code, channels, rate, rate * channels * width, channels * width, width * 8)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("fmt", CONTAINERS)
def test_every_container_comes_back_at_the_rate_asked_for(fmt: AudioFormat) -> None:
    decoded = decode_audio(encode_audio(tone(2), RATE, fmt), rate=16000, max_seconds=10)
    assert decoded.dtype == np.float32
    assert len(decoded) / 16000 == pytest.approx(2, abs=LOSSY_PADDING_S)
    assert loudest_hertz(decoded, 16000) == pytest.approx(440, abs=2)
    assert np.abs(decoded).max() == pytest.approx(0.4, abs=0.08)


@pytest.mark.parametrize("fmt", FORMATS)
def test_pieces_are_sent_as_they_are_ready_and_make_a_whole_file(fmt: AudioFormat) -> None:
    pcm = tone(3)
    encoder = AudioEncoder(fmt, RATE)
    assert encoder.media_type == MEDIA_TYPES[fmt]
    pieces = [encoder.encode(pcm[start : start + 2205]) for start in range(0, len(pcm), 2205)]
    end = encoder.close()
    assert sum(map(bool, pieces)) > len(pieces) // 2
    assert len(end) < sum(map(len, pieces)) / 4
    data = b"".join(pieces) + end
    if fmt == "pcm":
        assert data == pcm.tobytes()
    else:
        decoded = decode_audio(data, rate=RATE, max_seconds=10)
        assert len(decoded) / RATE == pytest.approx(3, abs=LOSSY_PADDING_S)


@pytest.mark.parametrize("fmt", CONTAINERS)
def test_silence_of_no_length_still_makes_a_well_formed_end(fmt: AudioFormat) -> None:
    encoder = AudioEncoder(fmt, RATE)
    data = encoder.encode(np.zeros(0, np.int16)) + encoder.close()
    assert isinstance(data, bytes)
    if fmt == "wav":
        assert data == wav_header(RATE)


def test_a_wav_file_is_exact() -> None:
    pcm = tone(0.5)
    with av.open(io.BytesIO(encode_audio(pcm, RATE, "wav"))) as container:
        decoded = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)[0]
    assert np.array_equal(decoded, pcm)
    lossless = decode_audio(encode_audio(pcm, RATE, "flac"), rate=RATE, max_seconds=1)
    assert np.array_equal(np.round(lossless * 32768).astype(np.int16), pcm)


def test_resampling_agrees_with_a_second_resampler() -> None:
    pcm = tone(1, hertz=300)
    ours = decode_audio(encode_audio(pcm, RATE, "wav"), rate=16000, max_seconds=2)
    theirs = soxr.resample(pcm.astype(np.float32) / 32768, RATE, 16000)
    size = min(len(ours), len(theirs)) - 400
    assert np.abs(ours[200:size] - theirs[200:size]).max() < 0.01


def test_stereo_is_mixed_down_not_cut_to_one_side() -> None:
    left = tone(1, hertz=300)
    data = wav(np.stack([left, np.zeros_like(left)], axis=1), RATE, 1)
    decoded = decode_audio(data, rate=RATE, max_seconds=2)
    assert np.abs(decoded).max() == pytest.approx(0.2, abs=0.09)
    data = wav(np.stack([np.zeros_like(left), left], axis=1), RATE, 1)
    assert loudest_hertz(decode_audio(data, rate=RATE, max_seconds=2), RATE) == pytest.approx(300, abs=2)


def test_eight_bit_and_float_wav() -> None:
    quiet = tone(1).astype(np.float32) / 32768
    eight = wav((quiet * 127 + 128).astype(np.uint8), RATE, 1)
    assert np.abs(decode_audio(eight, rate=RATE, max_seconds=2) - quiet).max() < 0.02
    assert np.abs(decode_audio(wav(quiet, RATE, 3), rate=RATE, max_seconds=2) - quiet).max() < 1e-4
    double = wav(quiet.astype(np.float64), RATE, 3)
    assert np.abs(decode_audio(double, rate=RATE, max_seconds=2) - quiet).max() < 1e-4


def test_float_wav_beyond_full_scale_is_clipped() -> None:
    loud = decode_audio(wav(np.full(1000, 7, np.float32), 16000, 3), rate=16000, max_seconds=2)
    assert loud.max() == 1.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_unprocessable(value: float) -> None:
    samples = tone(0.5).astype(np.float32) / 32768
    samples[5000] = value
    with pytest.raises(UnprocessableError, match="finite"):
        decode_audio(wav(samples, RATE, 3), rate=16000, max_seconds=2)


@pytest.mark.parametrize(
    "data",
    [
        b"What is the weather like?",
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hostname\n",
        b"ffconcat version 1.0\nfile '/etc/hostname'\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        b"<html><body>not found</body></html>",
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        bytes(5000),
    ],
)
def test_what_is_no_audio_is_unsupported_and_opens_nothing(data: bytes) -> None:
    with pytest.raises(UnsupportedMediaError):
        decode_audio(data, rate=16000, max_seconds=2)


def test_a_video_without_sound_is_unsupported() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(UnsupportedMediaError, match="no audio track"):
        decode_audio(buffer.getvalue(), rate=16000, max_seconds=2)


@pytest.mark.parametrize("data", [b"", encode_audio(tone(0), 16000, "wav"), encode_audio(tone(1), 16000, "wav")[:20]])
def test_no_samples_are_unprocessable(data: bytes) -> None:
    with pytest.raises(UnprocessableError):
        decode_audio(data, rate=16000, max_seconds=2)


@pytest.mark.parametrize("fmt", CONTAINERS)
def test_of_a_truncated_file_the_beginning_is_read(fmt: AudioFormat) -> None:
    data = encode_audio(tone(4), RATE, fmt)
    decoded = decode_audio(data[: len(data) // 2], rate=16000, max_seconds=10)
    assert 1.0 < len(decoded) / 16000 < 3.0


@given(samples=st.integers(800, 6400), limit=st.integers(800, 6400), fmt=st.sampled_from(["wav", "flac"]))
@settings(max_examples=40, deadline=None)
@example(samples=4800, limit=4800, fmt="wav")
@example(samples=4801, limit=4800, fmt="flac")
def test_length_is_bounded_to_the_sample(samples: int, limit: int, fmt: AudioFormat) -> None:
    data = encode_audio(tone(samples / 16000, 16000), 16000, fmt)
    if samples > limit:
        with pytest.raises(TooLargeError):
            decode_audio(data, rate=16000, max_seconds=limit / 16000)
    else:
        assert len(decode_audio(data, rate=16000, max_seconds=limit / 16000)) == samples


def test_an_hour_is_refused_without_holding_it() -> None:
    encoder = AudioEncoder("flac", 8000)
    minute = np.zeros(8000 * 60, np.int16)
    hour = b"".join(encoder.encode(minute) for _ in range(60)) + encoder.close()
    tracemalloc.start()
    with pytest.raises(TooLargeError, match="5 s"):
        decode_audio(hour, rate=16000, max_seconds=5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000


def test_a_track_whose_rate_changes_is_read_up_to_there() -> None:
    data = encode_audio(tone(1, 16000), 16000, "aac") + encode_audio(tone(1, 48000), 48000, "aac")
    assert len(decode_audio(data, rate=16000, max_seconds=5)) / 16000 == pytest.approx(1, abs=0.1)


def test_an_absurd_sample_rate_cannot_blow_up_the_result() -> None:
    with pytest.raises(UnprocessableError, match="sample rate"):
        decode_audio(wav(np.zeros(5000, np.int16), 1, 1), rate=16000, max_seconds=1e6)


@given(
    data=st.binary(max_size=400), head=st.sampled_from([b"", b"RIFF\x10\x00\x00\x00WAVEfmt ", b"OggS", b"fLaC", b"ID3"])
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_audio_or_a_client_error(data: bytes, head: bytes) -> None:
    with suppress(TooLargeError, UnsupportedMediaError, UnprocessableError):
        decoded = decode_audio(head + data, rate=16000, max_seconds=5)
        assert np.isfinite(decoded).all()


@pytest.mark.parametrize("channels", [33, 254])
def test_a_head_that_names_hundreds_of_channels_is_refused(channels: int) -> None:
    data = bytearray(encode_audio(tone(0.3), RATE, "wav"))
    data[22:24] = channels.to_bytes(2, "little")
    with pytest.raises(UnprocessableError, match=f"{channels} channels"):
        decode_audio(bytes(data), rate=16000, max_seconds=5)


@given(cut=st.integers(0, 3000), flip=st.integers(0, 3000), fmt=st.sampled_from(CONTAINERS))
@settings(max_examples=60, deadline=None)
def test_damaged_files_are_read_or_refused(cut: int, flip: int, fmt: AudioFormat) -> None:
    data = bytearray(encode_audio(tone(0.3), RATE, fmt))
    data[flip % len(data)] ^= 0xFF
    with suppress(TooLargeError, UnsupportedMediaError, UnprocessableError):
        decoded = decode_audio(bytes(data[: len(data) - cut % len(data)]), rate=16000, max_seconds=5)
        assert np.isfinite(decoded).all()


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100, 48000, 96000])
@pytest.mark.parametrize("fmt", ["mp3", "opus", "aac"])
def test_every_rate_can_be_encoded(fmt: AudioFormat, rate: int) -> None:
    decoded = decode_audio(encode_audio(tone(0.5, rate), rate, fmt), rate=16000, max_seconds=2)
    assert len(decoded) / 16000 == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("channels", [1, 2, 7, 8, 9, 16])
def test_a_track_is_read_with_all_its_channels(channels: int) -> None:
    levels = np.arange(channels, dtype=np.int16) * 100
    track = read_track(wav(np.tile(levels, (800, 1)), 16_000, 1), max_seconds=2)
    assert track.samples.shape == (channels, 800)
    assert np.array_equal(np.round(track.samples[:, 400] * 32768), levels)


def test_a_track_of_too_many_samples_is_refused_before_they_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comps.core.media.audio.MOST_VALUES", 3000)
    assert read_track(wav(np.zeros((1500, 2), np.int16), 16_000, 1), max_seconds=9).samples.shape == (2, 1500)
    with pytest.raises(TooLargeError, match="mono"):
        read_track(wav(np.zeros((1600, 2), np.int16), 16_000, 1), max_seconds=9)


@pytest.mark.parametrize("fmt", [np.int16, np.float32])
def test_the_same_sound_in_two_channels_is_as_loud_as_in_one(fmt: Any) -> None:
    mono = tone(0.5, 16_000, level=0.9).astype(fmt) / (1 if fmt is np.int16 else np.float32(32767))
    code, both = (1 if fmt is np.int16 else 3), np.repeat(mono[:, None], 2, axis=1)
    one, two = (decode_audio(wav(data.astype(fmt), 16_000, code), rate=16_000, max_seconds=2) for data in (mono, both))
    assert np.abs(one - two).max() < 1e-3
    apart = both.astype(fmt).copy()
    apart[:, 1] = 0
    left = decode_audio(wav(apart, 16_000, code), rate=16_000, max_seconds=2)
    assert np.abs(left - one / 2).max() < 1e-3
