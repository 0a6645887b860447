"""Footage: the film of a video avatar, as a store keeps it.

What people upload comes in any codec, rate, size and orientation. `import_footage` turns it once into a plain film:
H.264, upright, even sides, one frame rate, no sound, a key frame every `GROUP` frames. `Footage` then shows any frame
of it, forwards or backwards, holding no more than a few groups in memory. Everything here blocks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from comps.core.errors import TooLargeError, UnprocessableError, UnsupportedMediaError

Picture = NDArray[np.uint8]

GROUP = 12
"""Frames from one key frame to the next."""
CACHED_GROUPS = 3
LOWEST_FPS, HIGHEST_FPS = 5, 30
LEAST_SIDE = 32
_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,mpegts,mpeg,ogg,gif,apng"
"""Only demuxers of plain media files: playlists and the like would open other files or addresses."""
_OPTIONS = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"}
_QUALITY = {"preset": "superfast", "crf": "12", "bf": "0"}
_GREY = 128.0
"""What shows through a transparent film, as through a transparent picture."""


@dataclass(frozen=True, slots=True)
class FootageLimits:
    """Bounds of what is taken: `seconds` long, `pixels` in a frame, and in all frames together `decoded`, which is time.

    `rate` is the most frames per second of the whole; `side` is the longer one of the stored film.
    """

    seconds: float = 60.0
    pixels: int = 16_000_000
    decoded: int = 32_000_000_000
    rate: int = 240
    side: int = 1024


def import_footage(data: bytes, out: Path, limits: FootageLimits | None = None) -> Picture:
    """Write the film in `data` to `out` (an ``.mp4``) and return its first frame, RGB uint8 `[h, w, 3]`.

    Turned upright; transparency laid over grey; the frame on show at each tick of one constant rate, the film's own
    where that is 5 to 30 a second; of a damaged film what can be read.

    Raises:
        UnsupportedMediaError: the bytes are no video in a known format.
        TooLargeError: longer, or its frames larger or more, than `limits` allow.
        UnprocessableError: it has no frames.
    """
    limits = limits or FootageLimits()
    with _open(data) as source:
        stream = source.streams.video[0]
        if stream.codec_context.width * stream.codec_context.height > limits.pixels:
            raise TooLargeError(f"the video's frames have more than {limits.pixels} pixels", param="file")
        fps = _rate(stream.average_rate)
        pictures = _paced(_decoded(source, limits), fps, limits.seconds)
        first = next(pictures, None)
        if first is None:
            raise UnprocessableError("the video holds no frame that can be read", param="file")
        size = _size(first, limits.side)
        with _Film(out, size, fps) as film:
            shown = film.add(first)
            for picture in pictures:
                film.add(picture)
    return shown


class Footage:
    """A film that `import_footage` wrote. `len` is its frames; `size` (width, height); `fps`. Not thread-safe.

    Raises:
        UnprocessableError: the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._container = av.open(path, "r", format="mp4", options={"protocol_whitelist": "file"})
        except (av.FFmpegError, OSError) as error:
            raise UnprocessableError("the video of this avatar is damaged: upload it again") from error
        self._stream = self._container.streams.video[0]
        self._stream.codec_context.thread_count = 1
        self.fps = round(Fraction(self._stream.average_rate or 25))
        self.size = (self._stream.codec_context.width, self._stream.codec_context.height)
        self._frames = self._stream.frames
        self._groups: OrderedDict[int, list[av.VideoFrame]] = OrderedDict()

    def __len__(self) -> int:
        return self._frames

    def __enter__(self) -> Footage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; may be called again."""
        self._groups.clear()
        self._container.close()

    def frame(self, index: int) -> Picture:
        """One frame, RGB uint8 `[h, w, 3]`; neighbours come quickly, in either direction."""
        number = index // GROUP
        group = self._groups.get(number)
        if group is None:
            group = self._groups[number] = self._decode(number)
            while len(self._groups) > CACHED_GROUPS:
                self._groups.popitem(last=False)
        self._groups.move_to_end(number)
        if not group:
            raise UnprocessableError("the video of this avatar is damaged: upload it again")
        picture = group[min(index - number * GROUP, len(group) - 1)].to_ndarray(format="rgb24")
        return picture.astype(np.uint8, copy=False)

    def _decode(self, number: int) -> list[av.VideoFrame]:
        first = number * GROUP
        tick = 1 / (Fraction(self._stream.time_base or 1) * self.fps)
        group: list[av.VideoFrame] = []
        try:
            self._container.seek(round(first * tick), stream=self._stream)
            for frame in self._container.decode(self._stream):
                at = round((frame.pts or 0) / tick)
                if at >= first + GROUP:
                    break
                if at >= first:
                    group.append(frame)
        except av.FFmpegError as error:
            raise UnprocessableError("the video of this avatar is damaged: upload it again") from error
        return group


def there_and_back(position: int, frames: int) -> int:
    """The frame of a film of `frames` at `position` when it is played to its end, back to its start, and so on."""
    if frames < 2:
        return 0
    at = position % (2 * frames - 2)
    return at if at < frames else 2 * frames - 2 - at


class _Film:
    """The file being written."""

    def __init__(self, out: Path, size: tuple[int, int], fps: int) -> None:
        self._size, self._fps, self._frames = size, fps, 0
        self._container = av.open(out, "w", format="mp4")
        stream = self._container.add_stream("libx264", rate=fps, options={**_QUALITY, "g": str(GROUP)})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.options = {"x264-params": f"keyint={GROUP}:min-keyint={GROUP}:scenecut=0", **_QUALITY}
        stream.codec_context.colorspace = Colorspace.SMPTE170M
        stream.codec_context.color_range = ColorRange.MPEG
        stream.codec_context.thread_count = 1
        self._stream = stream

    def __enter__(self) -> _Film:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._container.mux(self._stream.encode(None))
        self._container.close()

    def add(self, picture: Picture) -> Picture:
        """Write one frame; the picture at the film's size."""
        if (picture.shape[1], picture.shape[0]) != self._size:
            smaller = picture.shape[1] > self._size[0]
            way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
            picture = cv2.resize(picture, self._size, interpolation=way).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG
        )
        frame.pts, frame.time_base = self._frames, Fraction(1, self._fps)
        self._frames += 1
        self._container.mux(self._stream.encode(frame))
        return picture


def _open(data: bytes) -> InputContainer:
    try:
        container = av.open(BytesIO(data), "r", options=_OPTIONS)
    except (av.FFmpegError, ValueError) as error:
        raise UnsupportedMediaError(
            "the bytes are no picture and no video that can be read; send JPEG, PNG, WebP, MP4 or WebM", param="file"
        ) from error
    if not container.streams.video:
        container.close()
        raise UnsupportedMediaError("the file holds no video track", param="file")
    if container.streams.video[0].codec_context is None:
        container.close()
        raise UnsupportedMediaError("the video is in a codec that is not known here; send H.264 or VP9", param="file")
    return container


def _decoded(source: InputContainer, limits: FootageLimits) -> Iterator[av.VideoFrame]:
    """Each frame that can be decoded; raises TooLargeError when one, or all of them together, are too large."""
    stream = source.streams.video[0]
    packets = source.demux(stream)
    count = pixels = 0
    while True:
        try:
            packet = next(packets)
            frames = packet.decode()
        except StopIteration:
            return
        except av.InvalidDataError:  # a damaged packet; those after it may be whole
            continue
        except av.FFmpegError:
            return
        for frame in frames:
            if frame.width * frame.height > limits.pixels:
                raise TooLargeError(f"the video's frames have more than {limits.pixels} pixels", param="file")
            count, pixels = count + 1, pixels + frame.width * frame.height
            if count > limits.seconds * limits.rate or pixels > limits.decoded:
                raise TooLargeError(
                    "the video has more frames than are taken: send fewer or smaller ones", param="file"
                )
            yield frame


def _rgb(frame: av.VideoFrame) -> Picture:
    """The frame's picture, upright, its transparency laid over grey."""
    if any(component.is_alpha for component in frame.format.components):
        layers = frame.to_ndarray(format="rgba").astype(np.float32)
        cover = layers[..., 3:] / 255
        picture = np.rint(layers[..., :3] * cover + _GREY * (1 - cover)).astype(np.uint8)
    else:
        picture = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90) % 4))


def _paced(frames: Iterator[av.VideoFrame], fps: int, seconds: float) -> Iterator[Picture]:
    """The picture on show at each tick of `fps`; raises TooLargeError beyond `seconds`."""
    ticks, begin, last = 0, 0.0, 0.0
    shown: av.VideoFrame | None = None
    for number, frame in enumerate(frames):
        time = frame.time
        if shown is None:
            begin = time or 0.0
        # A film without times is taken as even, and one whose clock runs back as standing still.
        last = max(last, (number / fps if time is None else time - begin))
        if last > seconds:
            raise TooLargeError(f"the video is longer than {seconds:g} s, which is the limit", param="file")
        if shown is not None and (ticks + 0.5) / fps < last:
            picture = _rgb(shown)  # of a frame that no tick shows none is made
            while (ticks + 0.5) / fps < last:
                yield picture
                ticks += 1
        shown = frame
    if shown is not None:
        yield _rgb(shown)


def _rate(average: Fraction | None) -> int:
    rate = float(average or 25)
    while rate > 1.5 * HIGHEST_FPS:
        rate /= 2
    return max(LOWEST_FPS, min(HIGHEST_FPS, round(rate)))


def _size(picture: Picture, side: int) -> tuple[int, int]:
    """Even width and height of the film."""
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(width, height))
    if min(width, height) * scale < LEAST_SIDE:
        raise UnprocessableError(f"the video has frames of {width}x{height}, too small to show a face", param="file")
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
