"""Mended pictures keep the rules they broke; the file they came from is never changed."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from comps.animation.coach.image.check import check_image
from comps.animation.coach.image.repair import TURNED_PIXELS, _turned, repair_image
from comps.core.media.image import decode_image
from tests.animation.coach import plants
from tests.animation.coach.plants import Picture, jpeg, png, presenter

ADA, RIG = presenter("ada")
NOOR, OTHER_RIG = presenter("noor")


def second_face() -> Picture:
    side = round(max(NOOR.shape) * RIG.eye_distance / OTHER_RIG.eye_distance / 2.75)
    return plants.beside(ADA, plants.scaled(NOOR, side))


SPOILT: dict[str, tuple[Callable[[], bytes], str]] = {
    "face_dark": (lambda: png(plants.gain(ADA, 0.2)), "brightened"),
    "face_bright": (lambda: png(plants.gain(ADA, 1.25)), "darkened"),
    "face_flat": (lambda: png(plants.flat(ADA, 0.2)), "contrast"),
    "face_leaning": (lambda: png(plants.turned(ADA, 25)), "turned"),
    "face_sideways": (lambda: png(np.ascontiguousarray(np.rot90(NOOR))), "turned"),
    "face_far": (lambda: png(plants.distant(plants.scaled(ADA, 2000), 0.3)), "cropped"),
    "faces_many": (lambda: png(second_face()), "cropped"),
}


@pytest.mark.parametrize("code", sorted(SPOILT))
def test_what_is_mended_keeps_the_rule(code: str) -> None:
    make, word = SPOILT[code]
    data = make()
    before = bytes(data)
    assert code in check_image(data).codes()
    mended = repair_image(data)
    assert data == before
    assert mended.data != data
    assert any(word in step for step in mended.steps)
    after = check_image(mended.data)
    assert code not in after.codes()
    assert after.usable


def test_a_crop_is_not_so_narrow_that_it_would_be_called_small() -> None:
    far = png(plants.distant(plants.scaled(ADA, 900), 0.35))
    assert check_image(far).codes() == {"face_far"}
    mended = repair_image(far)
    assert min(decode_image(mended.data, max_pixels=10**7).shape[:2]) == 512
    assert not check_image(mended.data).findings


def test_a_good_picture_comes_back_as_it_is() -> None:
    data = jpeg(ADA, 90)
    assert repair_image(data) == repair_image(data)
    assert repair_image(data).data == data
    assert repair_image(data).steps == ()


@pytest.mark.parametrize("data", [b"", b"no picture", png(ADA)[:5000], png(np.full((300, 300, 3), 90, np.uint8))])
def test_what_cannot_be_mended_comes_back_as_it_is(data: bytes) -> None:
    assert repair_image(data).data == data
    assert repair_image(data).steps == ()


def test_another_format_is_stored_as_png() -> None:
    file = BytesIO()
    Image.fromarray(ADA).save(file, "BMP")
    mended = repair_image(file.getvalue())
    assert mended.data.startswith(b"\x89PNG")
    assert mended.steps == ("stored as PNG instead of BMP",)
    assert (decode_image(mended.data, max_pixels=10**7) == ADA).all()


def test_a_photo_stored_on_its_side_is_mended_upright() -> None:
    """EXIF says how to turn it: it is no face on its side, and a mended one needs no EXIF."""
    dark = Image.fromarray(np.ascontiguousarray(np.rot90(plants.gain(ADA, 0.2))))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = BytesIO()
    dark.save(file, "JPEG", quality=95, exif=exif)
    assert "face_sideways" not in check_image(file.getvalue()).codes()
    mended = repair_image(file.getvalue())
    with Image.open(BytesIO(mended.data)) as image:
        assert 0x0112 not in image.getexif()
    assert check_image(mended.data).findings == ()


def test_only_an_upscaler_enlarges() -> None:
    small = png(plants.scaled(ADA, 400))
    assert repair_image(small).data == small
    asked: list[float] = []

    def upscale(picture: Picture, factor: float) -> Picture:
        asked.append(factor)
        return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_LANCZOS4).astype(np.uint8)

    mended = repair_image(small, upscale=upscale)
    assert asked == [pytest.approx(1.28)]
    assert "image_small" not in check_image(mended.data).codes()
    assert mended.steps == ("enlarged from 400 x 400 to 512 x 512 pixels",)


def test_two_alike_are_left_to_a_person() -> None:
    data = png(plants.beside(ADA, NOOR))
    assert repair_image(data).data == data


def test_a_turned_picture_does_not_grow_without_bound() -> None:
    strip = np.zeros((300, 40_000, 3), np.uint8)
    turned = _turned(strip, 45.0)
    assert turned.shape[0] * turned.shape[1] <= TURNED_PIXELS
    small = np.zeros((100, 200, 3), np.uint8)
    assert min(_turned(small, 45.0).shape[:2]) > 200


def test_a_picture_on_its_side_is_set_upright_without_new_borders() -> None:
    picture = presenter("ada")[0]
    leaning = plants.turned(picture, 8)
    mended = decode_image(repair_image(png(np.ascontiguousarray(np.rot90(leaning)))).data, max_pixels=10_000_000)
    assert np.array_equal(mended, leaning)
