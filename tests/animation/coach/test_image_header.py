from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from comps.animation.coach.image.header import read_header

GRADIENT = np.tile(np.arange(96, dtype=np.uint8), (64, 1))


def saved(kind: str, **options: object) -> bytes:
    file = BytesIO()
    Image.fromarray(GRADIENT).save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("quality", [5, 10, 30, 49, 50, 75, 90, 95, 100])
def test_the_quality_of_a_jpeg_is_the_one_it_was_saved_with(quality: int) -> None:
    header = read_header(saved("JPEG", quality=quality))
    assert header is not None
    assert header.quality == quality


def test_other_formats_have_no_quality() -> None:
    header = read_header(saved("PNG"))
    assert header is not None
    assert (header.format, header.width, header.height, header.animated, header.quality) == ("PNG", 96, 64, False, None)


def test_an_animation_has_frames() -> None:
    frames = [Image.fromarray(np.roll(GRADIENT, k, 1)) for k in range(3)]
    file = BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    header = read_header(file.getvalue())
    assert header is not None
    assert header.animated


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0"])
def test_what_is_no_picture_has_no_header(data: bytes) -> None:
    assert read_header(data) is None
