"""Crops and alignment are the original's."""

from __future__ import annotations

import numpy as np
import pytest

from comps.animation.engines.sadtalker.crop import face_crop
from tests.neural.parity import assert_close, fixture


@pytest.mark.parametrize("name", ["mid", "corner", "big", "tall", "huge"])
def test_crop_of_a_face(name: str) -> None:
    expected = fixture("sadtalker_crop")
    crop = face_crop(expected[f"crop_{name}_lm68"], tuple(expected[f"crop_{name}_size"].tolist()))
    assert crop.size == tuple(expected[f"crop_{name}_rsize"])
    assert crop.loose == tuple(expected[f"crop_{name}_crop"])
    assert_close(crop.quad, expected[f"crop_{name}_quad"], 1e-6)
    left, top, right, bottom = crop.box(tight=True)
    assert crop.loose[0] <= left < right <= crop.loose[2]
    assert crop.loose[1] <= top < bottom <= crop.loose[3]
    assert crop.box(tight=False) == crop.loose


@pytest.mark.torch
def test_sixty_eight_points_of_ninety_eight() -> None:
    from comps.animation.faces.landmarks98 import to_68

    expected = fixture("sadtalker_crop")
    assert_close(to_68(expected["index_98"]), expected["index_98_to_68"], 0)


@pytest.mark.torch
def test_alignment_for_the_reconstruction() -> None:
    from comps.animation.engines.sadtalker.alignment import aligned

    expected = fixture("sadtalker_crop")
    face = aligned(expected["image_rgb_u8"], expected["landmarks_68"])
    assert_close(face.parameters, expected["trans_params"], 1e-4)
    difference = face.picture.astype(int) - expected["aligned_rgb_u8"]
    assert np.abs(difference).max() <= 1
