"""A long video kept in pieces: each a file of its own that begins with a key frame, all joined with the sound at the end."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import PictureType
from numpy.typing import NDArray

from comps.core.media.video import AacTrack, PixelFormat, VideoSpec, add_h264, picture_frame


class SegmentWriter:
    """Writes one piece of the picture; the file has its name only when it is whole. Blocks; use by one thread at a time.

    What a piece holds depends on its frames and `spec` alone.
    """

    def __init__(self, path: Path, spec: VideoSpec) -> None:
        self.frames = 0
        self._path, self._part = path, path.with_name(f".{path.name}.part")
        self._fps = spec.fps
        self._container = av.open(self._part, "w", format="mp4")
        self._video = add_h264(self._container, spec)

    def add(self, frames: NDArray[np.uint8], pixel_format: PixelFormat) -> None:
        """Take the next frames, as `Mp4Writer.add_video` does."""
        for pixels in frames:
            frame = picture_frame(pixels, pixel_format)
            frame.pts, frame.time_base = self.frames, Fraction(1, self._fps)
            frame.pict_type = PictureType.I if self.frames == 0 else PictureType.NONE
            self.frames += 1
            self._container.mux(self._video.encode(frame))

    def commit(self) -> None:
        """Finish the file and give it its name, safe against a crash of the machine."""
        self._container.mux(self._video.encode(None))
        self._container.close()
        with self._part.open("rb") as file:
            os.fsync(file.fileno())
        self._part.replace(self._path)

    def discard(self) -> None:
        """Give up the piece; may be called after `commit`, also one that failed. Raises nothing: a disk may be full."""
        with suppress(FFmpegError, OSError):
            self._container.close()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)


def join_segments(segments: Sequence[Path], sound: Iterable[NDArray[np.int16]], spec: VideoSpec, out: Path) -> None:
    """Write a progressive MP4, index first: the pictures of `segments` in order as they are, `sound` encoded once.

    Args:
        segments: files of `SegmentWriter` with one `spec`.
        sound: mono PCM at the spec's rate, whole, in pieces; those of one segment's length are held at once.
        spec: of the video.
        out: takes its name when it is whole.

    Raises:
        av.error.FFmpegError: a segment is damaged.
    """
    part = out.with_name(f".{out.name}.part")
    try:
        with av.open(part, "w", format="mp4", options={"movflags": "faststart"}) as target:
            with av.open(segments[0]) as first:
                video = target.add_stream_from_template(first.streams.video[0])
            track = AacTrack(target, spec.sample_rate, spec.audio_bit_rate)
            pieces = iter(sound)
            for packet, until_s in _pictures(segments, spec.fps):
                _sound_until(until_s, pieces, track)
                packet.stream = video
                target.mux(packet)
            _sound_until(math.inf, pieces, track)
            track.finish()
            track.flush()
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _sound_until(until_s: float, pieces: Iterator[NDArray[np.int16]], track: AacTrack) -> None:
    """Encode pieces until the sound reaches `until_s` seconds: the muxer holds pictures back that have none yet."""
    while track.duration < until_s and (pcm := next(pieces, None)) is not None:
        track.add(pcm)


def _pictures(segments: Sequence[Path], fps: int) -> Iterator[tuple[av.Packet[av.VideoStream], float]]:
    """Every coded picture with its place in the whole video, and the seconds at which it ends."""
    first = 0
    for segment in segments:
        number = first
        with av.open(segment) as source:
            for packet in source.demux(video=0):
                if packet.dts is None or packet.pts is None or packet.time_base is None:
                    continue  # the end of the stream
                packet.pts = packet.dts = first + round(packet.pts * packet.time_base * fps)
                packet.time_base, packet.duration = Fraction(1, fps), 1
                number += 1
                yield packet, number / fps
        first = number


def counted(segment: Path) -> int:
    """Frames in a piece; raises av.error.FFmpegError when it is damaged."""
    with av.open(segment) as source:
        return sum(1 for packet in source.demux(video=0) if packet.dts is not None)
