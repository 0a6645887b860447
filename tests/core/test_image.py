from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from comps.core.errors import TooLargeError, UnprocessableError, UnsupportedMediaError
from comps.core.media.audio import decode_audio
from comps.core.media.image import decode_image

MANY = 1_000_000
lenient = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
"""Pillow warns of damage that it can pass over."""


def saved(image: Image.Image, fmt: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def gradient(width: int = 40, height: int = 30) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([rows * 8, columns * 6, rows * 0 + 40], axis=2).astype(np.uint8))


def png_header(width: int, height: int, *, bits: int = 8) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "BMP", "TIFF", "PPM"])
def test_lossless_formats_come_back_exactly(fmt: str) -> None:
    options = {"lossless": True} if fmt == "WEBP" else {}
    decoded = decode_image(saved(gradient(), fmt, **options), max_pixels=MANY)
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, np.asarray(gradient()))


def test_jpeg_grey_and_cmyk() -> None:
    expected = np.asarray(gradient()).astype(int)
    for image in (gradient(), gradient().convert("CMYK")):
        decoded = decode_image(saved(image, "JPEG", quality=95), max_pixels=MANY)
        assert np.abs(decoded.astype(int) - expected).mean() < 6
    grey = decode_image(saved(gradient().convert("L"), "JPEG"), max_pixels=MANY)
    assert grey.shape == (30, 40, 3)
    assert np.array_equal(grey[..., 0], grey[..., 2])


def test_palette_and_its_transparency() -> None:
    assert decode_image(saved(gradient().quantize(16)), max_pixels=MANY).shape == (30, 40, 3)
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    decoded = decode_image(saved(palette, transparency=0), max_pixels=MANY)
    assert np.array_equal(np.unique(decoded), [128])


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_over_neutral_grey(mode: str) -> None:
    clear = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 4, 8))
    decoded = decode_image(saved(clear.convert(mode)), max_pixels=MANY)
    assert (decoded[:, :4] == 0).all()
    assert (decoded[:, 4:] == 128).all()


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None, :].repeat(4, axis=0)
    decoded = decode_image(saved(Image.fromarray(ramp)), max_pixels=MANY)
    assert np.abs(decoded[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_exif_orientation_turns_the_picture_upright() -> None:
    image = Image.new("RGB", (40, 20), (200, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode_image(saved(image, "JPEG", exif=exif), max_pixels=MANY)
    assert decoded.shape == (40, 20, 3)


def test_of_an_animation_the_first_frame() -> None:
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "blue")]
    for fmt in ("GIF", "WEBP", "PNG"):
        data = saved(frames[0], fmt, save_all=True, append_images=frames[1:])
        assert decode_image(data, max_pixels=MANY)[5, 5].tolist() == pytest.approx([255, 0, 0], abs=3)


@pytest.mark.parametrize("size", [(20000, 20000), (7072, 7072), (12000, 9000), (2**31 - 1, 2**31 - 1), (50_000_001, 1)])
def test_size_is_judged_by_the_header(size: tuple[int, int]) -> None:
    with pytest.raises(TooLargeError) as refused:
        decode_image(png_header(*size), max_pixels=50_000_000)
    assert "50000000 pixels" in refused.value.message


@given(width=st.integers(1, 60), height=st.integers(1, 60), limit=st.integers(1, 3600))
@settings(max_examples=60, deadline=None)
def test_the_pixel_limit_is_exact(width: int, height: int, limit: int) -> None:
    data = saved(Image.new("RGB", (width, height)))
    if width * height > limit:
        with pytest.raises(TooLargeError):
            decode_image(data, max_pixels=limit)
    else:
        assert decode_image(data, max_pixels=limit).shape == (height, width, 3)


@pytest.mark.parametrize("part", [0.99, 0.5, 0.1])
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_truncated_pictures_are_unprocessable(fmt: str, part: float) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    data = saved(noise, fmt)
    with pytest.raises(UnprocessableError, match="damaged or cut short"):
        decode_image(data[: int(len(data) * part)], max_pixels=MANY)


def test_riff_may_hold_sound_or_a_picture() -> None:
    sound, picture = b"RIFF\x20\0\0\0WAVEfmt ", b"RIFF\x20\0\0\0WEBPVP8 "
    with pytest.raises(UnsupportedMediaError):
        decode_image(sound, max_pixels=MANY)
    with pytest.raises(UnprocessableError):
        decode_image(picture, max_pixels=MANY)
    with pytest.raises(UnsupportedMediaError):
        decode_audio(picture, rate=16_000, max_seconds=1)
    with pytest.raises(UnprocessableError):
        decode_audio(sound, rate=16_000, max_seconds=1)


def test_a_jpeg_of_three_bytes_is_damaged_rather_than_unknown() -> None:
    with pytest.raises(UnprocessableError):
        decode_image(b"\xff\xd8\xff", max_pixels=MANY)


@pytest.mark.parametrize(
    "data", [b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0\n", bytes(1000)]
)
def test_what_is_no_picture_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedMediaError):
        decode_image(data, max_pixels=MANY)


def test_an_empty_picture_is_unprocessable() -> None:
    with pytest.raises(UnprocessableError):
        decode_image(b"", max_pixels=MANY)


def test_a_bomb_in_a_text_chunk_is_refused() -> None:
    bomb = b"Comment\x00\x00" + zlib.compress(bytes(80_000_000), 9)
    chunk = struct.pack(">I", len(bomb)) + b"zTXt" + bomb + struct.pack(">I", zlib.crc32(b"zTXt" + bomb))
    data = saved(gradient())
    with pytest.raises(UnprocessableError):
        decode_image(data[:33] + chunk + data[33:], max_pixels=MANY)


@lenient
@given(
    data=st.binary(max_size=300),
    head=st.sampled_from(
        [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x20\x00\x00\x00WEBP", b"BM", b"II*\x00"]
    ),
)
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_picture_or_a_client_error(data: bytes, head: bytes) -> None:
    with suppress(TooLargeError, UnsupportedMediaError, UnprocessableError):
        assert decode_image(head + data, max_pixels=10_000).shape[2] == 3


@lenient
@given(flip=st.integers(0, 5000), fmt=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"]))
@settings(max_examples=120, deadline=None)
def test_damaged_pictures_are_read_or_refused(flip: int, fmt: str) -> None:
    data = bytearray(saved(gradient(), fmt))
    data[flip % len(data)] ^= 0x55
    with suppress(TooLargeError, UnsupportedMediaError, UnprocessableError):
        decode_image(bytes(data), max_pixels=10_000)
