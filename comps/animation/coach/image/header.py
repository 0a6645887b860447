"""What the first bytes of a picture say: its format, size and, of a JPEG, how hard it was compressed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

USUAL_FORMATS = ("JPEG", "MPO", "PNG", "WEBP")
"""Formats every engine and browser reads; MPO is what some phones call a JPEG."""

_LUMINANCE = np.array([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87,
    80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92,
    95, 98, 112, 100, 103, 99,
])  # fmt: skip
"""The luminance table of ITU-T T.81, annex K, which quality 50 means."""


@dataclass(frozen=True, slots=True)
class Header:
    """`format` as Pillow names it, `width` and `height` in pixels as stored, `animated` when there is more than one, and `quality`
    1..100 of a JPEG, None of other formats."""

    format: str
    width: int
    height: int
    animated: bool
    quality: int | None


def read_header(data: bytes) -> Header | None:
    """The header of the picture in `data`, nothing decoded; None when there is no picture to be told."""
    try:
        with warnings.catch_warnings():
            # Whether it is too large is a rule of the coach, told from the size below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data)) as image:
                tables = getattr(image, "quantization", None)
                quality = jpeg_quality(list(tables[0])) if tables and 0 in tables else None
                animated = bool(getattr(image, "is_animated", False))  # counting them would read the file through
                return Header(image.format or "", image.width, image.height, animated, quality)
    except Exception:  # noqa: BLE001 - the boundary to Pillow's parsers, which raise almost anything on damaged bytes
        return None


def jpeg_quality(table: list[int]) -> int:
    """The quality 1..100 whose luminance table is nearest to `table` `[64]` in total coarseness.

    Encoders scale the standard table by 50 / quality below 50 and by 2 - quality / 50 above.
    """
    qualities = np.arange(1, 101)
    scales = np.where(qualities < 50, 50 / qualities, 2 - qualities / 50)
    totals = np.clip(np.floor(_LUMINANCE[None] * scales[:, None] + 0.5), 1, 255).sum(1)
    return int(qualities[np.abs(totals - sum(table)).argmin()])
