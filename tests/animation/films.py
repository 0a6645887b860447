"""Films made for tests: a square that moves over a grey ground, in the shapes that people's videos come in."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
TICK = Fraction(1, 1000)


def marked(number: int, width: int = 64, height: int = 48) -> Picture:
    """Frame `number`: its upper left quarter is red, the rest a grey that tells the number."""
    picture = np.full((height, width, 3), 40 + 6 * number, np.uint8)
    picture[: height // 2, : width // 2] = (200, 30, 30)
    return picture


def film(
    pictures: Iterable[Picture],
    fps: int = 25,
    codec: str = "mpeg4",
    container: str = "mp4",
    pixel_format: str = "yuv420p",
    times_ms: Sequence[int] | None = None,
) -> bytes:
    """The file of a film; with `times_ms` each frame has the time given, else they come at `fps`."""
    out = BytesIO()
    with av.open(out, "w", format=container) as target:
        stream = None
        for number, picture in enumerate(pictures):
            if stream is None:
                stream = target.add_stream(codec, rate=fps)
                stream.width, stream.height = picture.shape[1], picture.shape[0]
                stream.pix_fmt = pixel_format
                stream.time_base = stream.codec_context.time_base = TICK
                stream.codec_context.gop_size = 4
                if codec == "mpeg4":
                    stream.codec_context.bit_rate = 4_000_000
            frame = av.VideoFrame.from_ndarray(picture, format="rgba" if picture.shape[2] == 4 else "rgb24")
            frame = frame.reformat(format=pixel_format)
            frame.pts = times_ms[number] if times_ms is not None else round(number * 1000 / fps)
            frame.time_base = TICK
            target.mux(stream.encode(frame))
        if stream is not None:
            target.mux(stream.encode(None))
    return out.getvalue()


def turned(mp4: bytes, degrees: int) -> bytes:
    """The same MP4 with a display matrix that turns it clockwise by 90, 180 or 270 degrees."""
    one, minus = 0x10000, -0x10000
    a, b, c, d = {90: (0, one, minus, 0), 180: (minus, 0, 0, minus), 270: (0, minus, one, 0)}[degrees]
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    at = mp4.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    assert mp4[at : at + 4] == struct.pack(">i", one), "this is not where the matrix is"
    return mp4[:at] + matrix + mp4[at + 36 :]


def sound_only() -> bytes:
    out = BytesIO()
    with av.open(out, "w", format="mp4") as target:
        stream = target.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out.getvalue()
