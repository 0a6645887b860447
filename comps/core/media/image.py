"""Pictures from anywhere: decoded to 8-bit RGB, upright, and never larger than allowed."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from comps.core.errors import TooLargeError, UnprocessableError, UnsupportedMediaError

_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\x00", b"MM\x00*")
_GREY = (128, 128, 128)
_WIDE_MODES = {"I;16": 65535.0, "I;16B": 65535.0, "I;16L": 65535.0, "I;16N": 65535.0, "I": 65535.0, "F": 1.0}
"""Modes of more than 8 bits and the value that is white in them."""

_BROKEN = (OSError, SyntaxError, ValueError, IndexError, KeyError, EOFError, struct.error, zlib.error, MemoryError)
"""What Pillow's decoders raise on damaged files."""


def decode_image(data: bytes, *, max_pixels: int) -> NDArray[np.uint8]:
    """The picture in `data` as uint8 `[h, w, 3]` RGB.

    The first frame of an animation; turned upright by its EXIF orientation; transparency laid over
    neutral grey; CMYK, palette and 16-bit pictures converted. The size is read from the header, so
    nothing too large is decoded.

    Raises:
        UnsupportedMediaError: the bytes are not a picture in a known format.
        TooLargeError: more than `max_pixels` pixels.
        UnprocessableError: truncated or damaged.
    """
    if not data:
        raise UnprocessableError("the picture is empty", param="image")
    with _open(data, max_pixels) as image:
        _check_size(image.width, image.height, max_pixels)
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
            return np.array(_rgb(upright), dtype=np.uint8)
        except _BROKEN as error:
            raise _damaged() from error


def _open(data: bytes, max_pixels: int) -> Image.Image:
    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]
    try:
        return Image.open(BytesIO(data), formats=formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(max_pixels) from error
    except UnidentifiedImageError as error:
        if data.startswith(_MAGIC) or (data[:4], data[8:12]) == (b"RIFF", b"WEBP"):  # RIFF alone may be a sound
            raise _damaged() from error
        raise UnsupportedMediaError("the bytes are no picture; send JPEG, PNG or WebP", param="image") from error
    except _BROKEN as error:
        raise _damaged() from error


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise _damaged()
    if width * height > max_pixels:
        raise _too_large(max_pixels)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in _WIDE_MODES:
        levels = np.asarray(image, dtype=np.float32) * (255.0 / _WIDE_MODES[image.mode])
        return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (*_GREY, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def _too_large(max_pixels: int) -> TooLargeError:
    return TooLargeError(f"the picture has more than {max_pixels} pixels, which is the limit", param="image")


def _damaged() -> UnprocessableError:
    return UnprocessableError("the picture is damaged or cut short", param="image")
