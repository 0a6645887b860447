"""Sound from and to any container: decoded to mono float, bounded in length; encoded piece by piece."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Literal, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from comps.core.errors import TooLargeError, UnprocessableError, UnsupportedMediaError

AudioFormat = Literal["wav", "mp3", "opus", "flac", "aac", "pcm"]

_DEMUXERS = (
    "wav,w64,aiff,au,caf,mp3,flac,ogg,aac,ac3,amr,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,"
    "asf,avi,flv,mpegts,mpeg,wv,ape,tta,voc,gsm,opus,rm,aea,dts,eac3"
)
"""Only demuxers of plain media files: playlists and the like would open other files or addresses."""

_OPTIONS = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"}
_MAGIC = (b"OggS", b"fLaC", b"ID3", b"FORM", b"\x1aE\xdf\xa3")
_MOST_CHANNELS = 32
"""A damaged head may name hundreds; decoding those ends the process in PyAV 17, the last for Python 3.10."""
_MIN_RATE_HZ = 1000
_STEREO, _MIXED_STEREO = 2, np.float32(0.5**0.5)
# FFmpeg mixes two channels into one that is as loud as both together: what is alike in them would be cut at the top.
_PCM_BITS = re.compile(r"pcm_[a-z]+?(\d+)")
_COMPANDED = ("pcm_mulaw", "pcm_alaw")
_COMPANDED_BITS = 8
MOST_VALUES = 64_000_000
"""Samples of all channels of a track that is read as it is stored: 256 MB, half an hour of 16 kHz stereo."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioTrack:
    """The first audio track of a file as it is stored: nothing resampled, mixed or cut at full scale.

    Args:
        samples: float32 `[channels, n]`, full scale at -1 and 1.
        rate: Hz.
        bits: of a stored sample; 0 for codecs that store no samples, such as MP3.
        codec: FFmpeg's name, such as ``pcm_s16le``.
        container: FFmpeg's name, such as ``wav``.
    """

    samples: NDArray[np.float32]
    rate: int
    bits: int
    codec: str
    container: str


def read_track(data: bytes, *, max_seconds: float) -> AudioTrack:
    """The first audio track of `data`; what `decode_audio` says on damaged files and what it raises holds here too."""
    if not data:
        raise UnprocessableError("the audio is empty", param="audio")
    pieces: list[NDArray[np.float32]] = []
    with _open(data) as container:
        context = container.streams.audio[0].codec_context
        codec, names = context.name, container.format.name
        bits = _stored_bits(codec, context.codec.lossless, context.format.bits if context.format else 0)
        # packed: PyAV reads past its array of planes where a planar frame has eight channels or more
        resampler = AudioResampler(format="flt")
        rate = values = 0
        for frame in _bounded(_frames(container), max_seconds):
            rate = rate or frame.sample_rate
            values += frame.samples * frame.layout.nb_channels
            if values > MOST_VALUES:
                raise TooLargeError(
                    f"the audio has more than {MOST_VALUES // 1_000_000} million samples in its channels: send it in mono",
                    param="audio",
                )
            pieces.extend(_channels(resampler, frame))
    samples = np.concatenate(pieces, axis=1) if pieces else np.zeros((1, 0), np.float32)
    if not samples.shape[1]:
        raise UnprocessableError("the audio holds no samples", param="audio")
    if not np.isfinite(samples).all():
        raise UnprocessableError("the audio holds samples that are not finite numbers", param="audio")
    return AudioTrack(samples, rate, bits, codec, names)


def _stored_bits(codec: str, lossless: bool, decoded: int) -> int:
    if codec in _COMPANDED:
        return _COMPANDED_BITS
    named = _PCM_BITS.match(codec)
    return int(named[1]) if named else decoded if lossless else 0


def decode_audio(data: bytes, *, rate: int, max_seconds: float) -> NDArray[np.float32]:
    """The first audio track of `data` as mono float32 `[n]` in -1..1 at `rate` Hz.

    Reads any container PyAV knows, float WAV included; several channels are mixed down. Of a
    truncated or damaged file it returns what can be read. At most `max_seconds` are decoded.

    Raises:
        UnsupportedMediaError: the bytes hold no audio in a known format.
        TooLargeError: longer than `max_seconds`.
        UnprocessableError: no samples, or samples that are not numbers.
    """
    if not data:
        raise UnprocessableError("the audio is empty", param="audio")
    pieces: list[NDArray[np.float32]] = []
    with _open(data) as container:
        resampler = AudioResampler(format="flt", layout="mono", rate=rate)
        channels = 1
        for frame in _bounded(_frames(container), max_seconds):
            channels = frame.layout.nb_channels
            pieces.extend(_samples(resampler, frame))
        pieces.extend(_samples(resampler, None))
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    if channels == _STEREO:
        samples *= _MIXED_STEREO
    if not len(samples):
        raise UnprocessableError("the audio holds no samples", param="audio")
    if not np.isfinite(samples).all():
        raise UnprocessableError("the audio holds samples that are not finite numbers", param="audio")
    return np.clip(samples, -1.0, 1.0)


def _open(data: bytes) -> InputContainer:
    try:
        container = av.open(BytesIO(data), "r", options=_OPTIONS)
    except (av.FFmpegError, ValueError) as error:
        if data.startswith(_MAGIC) or (data[:4], data[8:12]) == (b"RIFF", b"WAVE"):  # RIFF alone may be a picture
            raise UnprocessableError("the audio is damaged or cut short", param="audio") from error
        raise UnsupportedMediaError("the bytes are no audio in a known format", param="audio") from error
    if not container.streams.audio:
        container.close()
        raise UnsupportedMediaError("the file holds no audio track", param="audio")
    decoder: AudioCodecContext | None = container.streams.audio[0].codec_context  # none for an unknown codec
    if decoder is not None and decoder.channels > _MOST_CHANNELS:
        container.close()
        message = f"the audio has {decoder.channels} channels, at most {_MOST_CHANNELS} are read"
        raise UnprocessableError(message, param="audio")
    return container


def _frames(container: InputContainer) -> Iterator[AudioFrame]:
    """Every frame that can be decoded; damaged packets are passed over, a cut-off end ends it."""
    stream = container.streams.audio[0]
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        try:
            yield from packet.decode()
        except av.FFmpegError:
            continue


def _bounded(frames: Iterator[AudioFrame], max_seconds: float) -> Iterator[AudioFrame]:
    """Pass frames on until they are longer than allowed, counted in samples of the first frame's rate."""
    rate, samples = 0, 0.0
    for frame in frames:
        if frame.sample_rate < _MIN_RATE_HZ:
            raise UnprocessableError(f"the audio has a sample rate of {frame.sample_rate} Hz", param="audio")
        rate = rate or frame.sample_rate
        samples += frame.samples * rate / frame.sample_rate
        if samples > max_seconds * rate + 0.5:
            raise TooLargeError(f"the audio is longer than {max_seconds:g} s, which is the limit", param="audio")
        yield frame


def _samples(resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[NDArray[np.float32]]:
    """Resampled float32 `[n]`; a frame of another kind than the first ends the track there."""
    try:
        resampled = resampler.resample(frame)
    except (ValueError, av.FFmpegError):
        return
    for piece in resampled:
        yield piece.to_ndarray().reshape(-1).astype(np.float32, copy=False)


def _channels(resampler: AudioResampler, frame: AudioFrame) -> Iterator[NDArray[np.float32]]:
    """Float32 `[channels, n]` at the frame's own rate; a frame of another kind than the first ends the track there."""
    try:
        resampled = resampler.resample(frame)
    except (ValueError, av.FFmpegError):
        return
    for piece in resampled:
        yield piece.to_ndarray().reshape(-1, piece.layout.nb_channels).T.astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True)
class _Codec:
    """How a format is written: PyAV's names, the rates it can have, and muxer options for streams."""

    media_type: str
    container: str = ""
    codec: str = ""
    rates: tuple[int, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    bit_rate: int = 0


_MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_CODECS: dict[AudioFormat, _Codec] = {
    "wav": _Codec("audio/wav"),
    "pcm": _Codec("audio/pcm"),
    "mp3": _Codec(
        "audio/mpeg", "mp3", "libmp3lame", _MPEG_RATES, (("write_xing", "0"), ("id3v2_version", "0")), 64_000
    ),
    "opus": _Codec(
        "audio/ogg", "ogg", "libopus", (8000, 12000, 16000, 24000, 48000), (("page_duration", "20000"),), 32_000
    ),
    "flac": _Codec("audio/flac", "flac", "flac"),
    "aac": _Codec("audio/aac", "adts", "aac", _MPEG_RATES, (), 64_000),
}

MEDIA_TYPES: dict[AudioFormat, str] = {name: codec.media_type for name, codec in _CODECS.items()}
FORMATS: tuple[AudioFormat, ...] = tuple(_CODECS)


class AudioEncoder:
    """Encodes mono int16 PCM piece by piece; `encode` returns what is ready to be sent.

    A ``wav`` stream cannot know its length: its header says "until the end", as ffmpeg does.

    Args:
        fmt: one of `FORMATS`.
        rate: sample rate of the PCM, Hz; formats that cannot have it are resampled.
    """

    def __init__(self, fmt: AudioFormat, rate: int) -> None:
        self.media_type = MEDIA_TYPES[fmt]
        self._writer: _PlainWriter | _CodecWriter
        if fmt in ("wav", "pcm"):
            self._writer = _PlainWriter(wav_header(rate) if fmt == "wav" else b"")
        else:
            self._writer = _CodecWriter(_CODECS[fmt], rate)

    def encode(self, pcm: NDArray[np.int16]) -> bytes:
        """Bytes that became ready with these samples; may be empty."""
        return self._writer.write(pcm)

    def close(self) -> bytes:
        """The last bytes; call once."""
        return self._writer.finish()


def encode_audio(pcm: NDArray[np.int16], rate: int, fmt: AudioFormat) -> bytes:
    """A whole file of mono int16 PCM `[n]` at `rate` Hz, with its true length in the header."""
    if fmt == "wav":
        return wav_header(rate, len(pcm)) + pcm.astype("<i2", copy=False).tobytes()
    encoder = AudioEncoder(fmt, rate)
    return encoder.encode(pcm) + encoder.close()


def wav_header(rate: int, samples: int | None = None) -> bytes:
    """The 44 bytes before mono int16 samples; `samples` None means a stream of unknown length."""
    size = 0xFFFFFFFF if samples is None else samples * 2
    riff = 0xFFFFFFFF if samples is None else size + 36
    return struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", riff, b"WAVEfmt ", 16, 1, 1, rate, rate * 2, 2, 16, b"data", size)


class _PlainWriter:
    def __init__(self, header: bytes) -> None:
        self._header = header

    def write(self, pcm: NDArray[np.int16]) -> bytes:
        header, self._header = self._header, b""
        return header + pcm.astype("<i2", copy=False).tobytes()

    def finish(self) -> bytes:
        header, self._header = self._header, b""
        return header


class _Sink:
    """A file object that can only be written to; `take` empties it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class _CodecWriter:
    def __init__(self, codec: _Codec, rate: int) -> None:
        self._rate = rate
        self._sink = _Sink()
        options = {**dict(codec.options), "flush_packets": "1"}
        self._container = av.open(self._sink, "w", format=codec.container, options=options)
        coded_rate = _nearest(codec.rates, rate)
        self._stream = cast("AudioStream", self._container.add_stream(codec.codec, rate=coded_rate, layout="mono"))
        context = self._stream.codec_context
        if codec.bit_rate:
            context.bit_rate = codec.bit_rate
        context.open()
        self._resampler = AudioResampler(context.format, context.layout, coded_rate, frame_size=context.frame_size)
        self._position = 0

    def write(self, pcm: NDArray[np.int16]) -> bytes:
        if len(pcm):
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(pcm, dtype=np.int16)[None, :], "s16", "mono")
            frame.sample_rate, frame.pts = self._rate, self._position
            self._position += len(pcm)
            self._mux(frame)
        return self._sink.take()

    def finish(self) -> bytes:
        self._mux(None)
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()

    def _mux(self, frame: AudioFrame | None) -> None:
        for piece in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(piece))


def _nearest(rates: tuple[int, ...], rate: int) -> int:
    """The lowest of `rates` that loses nothing of `rate`, or the highest there is."""
    return next((r for r in rates if r >= rate), rates[-1]) if rates else rate
