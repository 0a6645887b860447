"""Alignment, masks and paste-back against the original's, and what must hold of the masks of our own."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from comps.animation.engines.gfpgan import align, masks
from comps.animation.engines.gfpgan.paste import enlarge, paste
from tests.neural import parity
from tests.neural.gfpgan.faces import picture

pytestmark = pytest.mark.torch
NAME = "gfpgan_paste"


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    return parity.fixture(NAME)


def test_alignment_is_that_of_the_original(expected: dict[str, np.ndarray]) -> None:
    matrix = align.fit(expected["landmarks_5"])
    assert matrix is not None
    np.testing.assert_allclose(matrix, expected["affine"], atol=1e-3)
    crop = align.cut(picture(NAME, "image_rgb_webp"), expected["affine"])
    np.testing.assert_allclose(crop[::4, ::4].astype(int), expected["crop_rgb_u8_s4"].astype(int), atol=4)
    # the fixture's is without the half pixel that enlarging adds
    np.testing.assert_allclose(
        align.inverse(matrix, 2) - [[0, 0, 1], [0, 0, 1]], expected["inverse_affine_x2"], atol=1e-3
    )


def test_points_that_coincide_have_no_alignment() -> None:
    assert align.fit(np.full((5, 2), 7, np.float32)) is None


def test_a_parsed_face_is_pasted_as_the_original_does(expected: dict[str, np.ndarray]) -> None:
    image = picture(NAME, "image_rgb_webp")
    back = align.inverse(expected["affine"], 2)
    large = enlarge(image, 2)
    height, width = large.shape[:2]
    mask = masks.place(masks.parse_mask(expected["labels_u8"]), back, (width, height))
    paste(large, picture(NAME, "restored_rgb_webp"), mask, back)
    away = np.abs(large[::2, ::2].astype(int) - expected["pasted_rgb_u8_s2"].astype(int))
    assert away.max() <= 2
    # OpenCV rounds source positions to 1/32 pixel, here from another corner than for the whole picture
    assert (away > 0).mean() < 0.08


@pytest.mark.parametrize("upscale", [1, 2])
@pytest.mark.parametrize("kind", ["ellipse", "square"])
def test_masks_cover_the_features_and_fade_to_nothing(expected: dict[str, np.ndarray], kind: str, upscale: int) -> None:
    back = align.inverse(expected["affine"], upscale)
    size = (320 * upscale, 240 * upscale)
    placed = (
        masks.square_mask(back, size, upscale) if kind == "square" else masks.place(masks.ellipse_mask(), back, size)
    )
    values = placed.values
    assert values.min() >= 0
    assert values.max() == pytest.approx(1, abs=1e-5)
    assert max(values[0].max(), values[-1].max(), values[:, 0].max(), values[:, -1].max()) == 0
    assert max(np.abs(np.diff(values, axis=0)).max(), np.abs(np.diff(values, axis=1)).max()) < 0.35
    for x, y in expected["landmarks_5"] * upscale:
        assert values[round(y) - placed.top, round(x) - placed.left] > 0.95


def test_strength_scales_what_is_laid_over(expected: dict[str, np.ndarray]) -> None:
    image, face = picture(NAME, "image_rgb_webp"), picture(NAME, "restored_rgb_webp")
    back = align.inverse(expected["affine"], 1)
    mask = masks.place(masks.ellipse_mask(), back, (320, 240))
    pasted = {strength: image.copy() for strength in (0.0, 0.5, 1.0)}
    for strength, shown in pasted.items():
        paste(shown, face, mask, back, strength)
    np.testing.assert_array_equal(pasted[0.0], image)
    half = (pasted[1.0].astype(float) + image) / 2
    assert np.abs(pasted[0.5] - half).max() <= 1
    assert np.abs(pasted[1.0].astype(int) - image).max() > 20
    outside = np.ones(image.shape[:2], bool)
    outside[mask.top : mask.top + mask.values.shape[0], mask.left : mask.left + mask.values.shape[1]] = False
    np.testing.assert_array_equal(pasted[1.0][outside], image[outside])


@pytest.mark.parametrize("shift", [(-300.0, 0.0), (250.0, 180.0), (4000.0, 0.0)])
def test_a_face_over_the_edge_of_the_picture(expected: dict[str, np.ndarray], shift: tuple[float, float]) -> None:
    image, face = picture(NAME, "image_rgb_webp"), picture(NAME, "restored_rgb_webp")
    matrix = align.fit(expected["landmarks_5"] + shift)
    assert matrix is not None
    back = align.inverse(matrix, 1)
    for mask in (masks.place(masks.ellipse_mask(), back, (320, 240)), masks.square_mask(back, (320, 240), 1)):
        shown = image.copy()
        paste(shown, face, mask, back)
        assert shown.shape == image.shape
        if shift[0] > 1000:
            np.testing.assert_array_equal(shown, image)
