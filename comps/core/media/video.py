"""Fragmented MP4 as a stream: frames and PCM go in, an init segment and fragments come out as they fill.

H.264 without B-frames or look-ahead, each fragment beginning with a key frame, and AAC. The encoder's priming is
declared in an edit list, so sound and picture keep one clock. Memory does not grow with the length of the video.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import soxr
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

PixelFormat = Literal["rgb24", "yuv420p"]

AAC_FRAME = 1024
"""Samples in one AAC packet."""
AAC_RATE = 48_000
"""Hz of the encoded sound. A decoder pads the last packet, which at this rate is less than any video frame."""
AAC_MIME = "mp4a.40.2"
_MOVFLAGS = "frag_keyframe+empty_moov+delay_moov+default_base_moof+skip_trailer"


@dataclass(frozen=True, slots=True)
class VideoSpec:
    """What to encode.

    `width` and `height` are even pixels, `fps` whole frames per second, `sample_rate` Hz of the mono sound.
    `first_frames` fill the first fragment, `fragment_frames` every later one; a fragment leaves when the frame after it comes. `crf` is x264's quality (lower is better).
    """

    width: int
    height: int
    fps: int
    sample_rate: int
    first_frames: int = 4
    fragment_frames: int = 12
    crf: int = 20
    preset: str = "superfast"
    audio_bit_rate: int = 64_000


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the file: its ``init`` segment, or fragment `index` with `frames` frames from `start` seconds on."""

    kind: Literal["init", "fragment"]
    data: bytes
    index: int = 0
    start: float = 0.0
    duration: float = 0.0
    frames: int = 0


class _Sink:
    """The file the muxer writes to: collects bytes until they are taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class Mp4Writer:
    """Encodes one video. Not thread-safe, and too slow for an event loop: call it from a worker thread.

    Feed sound no later than the frames it belongs to: the muxer holds frames back until it has their sound.
    """

    def __init__(self, spec: VideoSpec) -> None:
        if spec.width % 2 or spec.height % 2 or min(spec.width, spec.height) < 16:
            raise ValueError(f"a video has even sides of at least 16 pixels, not {spec.width}x{spec.height}")
        self.spec = spec
        self._sink = _Sink()
        self._pending = bytearray()
        self._init_sent = False
        self._unsent: deque[int] = deque()
        self._next_cut = self._frames = self._sent = 0
        self._closed = False
        self._container = av.open(self._sink, "w", format="mp4", options={"movflags": _MOVFLAGS})
        self._video = add_h264(self._container, spec)
        self._sound = AacTrack(self._container, spec.sample_rate, spec.audio_bit_rate)

    @property
    def mime(self) -> str:
        """Type and codecs as a browser's MediaSource wants them."""
        headers = self._video.codec_context.extradata or b""
        # The three bytes after the SPS's NAL type are its profile, its compatibility flags and its level.
        at = headers.index(b"\x01\x67") + 2
        return f'video/mp4; codecs="avc1.{headers[at : at + 3].hex()}, {AAC_MIME}"'

    @property
    def duration(self) -> float:
        """Seconds of sound taken so far."""
        return self._sound.duration

    @property
    def frames(self) -> int:
        """Frames taken so far."""
        return self._frames

    def add_audio(self, pcm: NDArray[np.int16]) -> None:
        """Take mono PCM int16 `[n]`, the next samples of the sound."""
        self._sound.add(pcm)

    def add_video(self, frames: NDArray[np.uint8], pixel_format: PixelFormat = "yuv420p") -> None:
        """Take the next frames: uint8 ``yuv420p`` `[n, h * 3 // 2, w]` or ``rgb24`` `[n, h, w, 3]`."""
        for pixels in frames:
            frame = picture_frame(pixels, pixel_format)
            frame.pts, frame.time_base = self._frames, Fraction(1, self.spec.fps)
            frame.pict_type = PictureType.NONE
            if self._frames == self._next_cut:
                frame.pict_type = PictureType.I
                self._unsent.append(self._frames)
                self._next_cut += self.spec.fragment_frames if self._frames else self.spec.first_frames
            self._frames += 1
            self._container.mux(self._video.encode(frame))

    def close(self) -> None:
        """Flush both encoders; what is left comes out of `take`. May be called again."""
        if self._closed:
            return
        self._closed = True
        if self._frames or self._sound.duration:
            self._sound.finish()
            self._container.mux(self._video.encode(None))
            self._sound.flush()
        self._container.close()

    def take(self) -> list[Segment]:
        """The segments that became complete since the last call."""
        self._pending += self._sink.take()
        return list(self._segments())

    def _segments(self) -> Iterator[Segment]:
        while (end := _segment_end(self._pending)) is not None:
            data = bytes(self._pending[:end])
            del self._pending[:end]
            if not self._init_sent:
                self._init_sent = True
                yield Segment("init", data)
            else:
                yield self._fragment(data)

    def _fragment(self, data: bytes) -> Segment:
        first = self._unsent.popleft() if self._unsent else self._frames
        frames = (self._unsent[0] if self._unsent else self._frames) - first
        fragment = Segment("fragment", data, self._sent, first / self.spec.fps, frames / self.spec.fps, frames)
        self._sent += 1
        return fragment


class AacTrack:
    """The sound of a video: mono PCM at `sample_rate` Hz in, AAC at `AAC_RATE` into `container`."""

    def __init__(self, container: OutputContainer, sample_rate: int, bit_rate: int) -> None:
        self._container = container
        stream = container.add_stream("aac", rate=AAC_RATE)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = "mono"
        stream.codec_context.bit_rate = bit_rate
        stream.time_base = stream.codec_context.time_base = Fraction(1, AAC_RATE)
        self._stream = stream
        self._resampler = soxr.ResampleStream(sample_rate, AAC_RATE, 1, dtype="int16")
        self._sample_rate = sample_rate
        self._rest = np.zeros(0, np.int16)
        self._samples = self._encoded = 0

    @property
    def duration(self) -> float:
        """Seconds of sound taken so far."""
        return self._samples / self._sample_rate

    def add(self, pcm: NDArray[np.int16]) -> None:
        """Take the next samples int16 `[n]`."""
        self._samples += len(pcm)
        self._take(pcm, last=False)

    def finish(self) -> None:
        """Encode what the resampler still holds."""
        self._take(np.zeros(0, np.int16), last=True)

    def flush(self) -> None:
        """Write what the encoder still holds, after `finish`."""
        self._container.mux(self._stream.encode(None))

    def _take(self, pcm: NDArray[np.int16], last: bool) -> None:
        whole = np.concatenate([self._rest, self._resampler.resample_chunk(pcm, last)])
        ready = len(whole) if last else len(whole) - len(whole) % AAC_FRAME
        self._rest = whole[ready:]
        for start in range(0, ready, AAC_FRAME):
            piece = whole[start : min(start + AAC_FRAME, ready)].astype(np.float32) / 32768.0
            frame = av.AudioFrame.from_ndarray(piece[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = AAC_RATE, self._encoded, Fraction(1, AAC_RATE)
            self._encoded += len(piece)
            self._container.mux(self._stream.encode(frame))


def add_h264(container: OutputContainer, spec: VideoSpec) -> av.VideoStream:
    """The picture of a video: H.264 without B-frames and look-ahead, on one thread, and so always the same."""
    options = {"preset": spec.preset, "tune": "zerolatency", "crf": str(spec.crf), "forced-idr": "1"}
    # Key frames come only where a fragment begins; x264 must not add its own.
    options["x264-params"] = "keyint=infinite:scenecut=0:threads=1:sliced-threads=0"
    stream = container.add_stream("libx264", rate=spec.fps, options=options)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = spec.width, spec.height, "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, spec.fps)
    stream.codec_context.colorspace = Colorspace.SMPTE170M
    stream.codec_context.color_range = ColorRange.MPEG
    stream.codec_context.thread_count = 1
    stream.codec_context.open(strict=False)
    return stream


def picture_frame(pixels: NDArray[np.uint8], pixel_format: PixelFormat) -> av.VideoFrame:
    """One frame as the encoder takes it, from ``yuv420p`` `[h * 3 // 2, w]` or ``rgb24`` `[h, w, 3]`."""
    frame = av.VideoFrame.from_ndarray(pixels, format=pixel_format)
    if pixel_format == "yuv420p":
        return frame
    return frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG)


def _segment_end(data: bytearray) -> int | None:
    """Bytes up to the end of the first ``moov`` or ``mdat`` box in `data`, or None while it is incomplete."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind = bytes(data[at + 4 : at + 8])
        if size < 8:
            raise ValueError("the muxer wrote a box without a length")
        at += size
        if kind in (b"moov", b"mdat") and at <= len(data):
            return at
    return None


def remux_to_file(fragments: Path, out: Path) -> None:
    """Copy a fragmented MP4 into a progressive one whose index comes first; no sample is encoded again.

    Raises:
        av.error.FFmpegError: `fragments` is not a video.
    """
    with (
        av.open(fragments) as source,
        av.open(out, "w", format="mp4", options={"movflags": "faststart"}) as target,
    ):
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
