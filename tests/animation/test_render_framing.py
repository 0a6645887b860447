"""Which part of a picture is shown, and at what size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.engines.portrait.render.framing import MOST_UPSCALING, choose, face_unit
from comps.animation.engines.portrait.rig.rig import Rig
from tests.animation.faces import picture, rig


def _placed(size: tuple[int, int], scale: float, offset: tuple[float, float]) -> Rig:
    """Ada's rig, smaller, somewhere in a picture of `size`."""
    base = rig()
    return replace(
        base,
        size=size,
        points=(base.points * scale + offset).astype(np.float32),
        crown=(base.crown * scale + offset).astype(np.float32),
    )


def test_a_large_face_is_shown_with_its_whole_picture() -> None:
    window = choose(rig(), 512)
    assert (window.left, window.top, window.width, window.height) == (0, 0, 512, 512)


@settings(max_examples=50, deadline=None)
@given(width=st.integers(200, 3000), height=st.integers(200, 3000), size=st.sampled_from([256, 512, 720, 1280]))
def test_sides_are_even_within_the_size_and_the_shape_is_kept(width: int, height: int, size: int) -> None:
    scale = min(width, height) / 1024
    window = choose(_placed((width, height), scale, (0, 0)), size)
    assert window.width % 2 == window.height % 2 == 0
    assert max(window.width, window.height) <= size
    assert window.scale <= MOST_UPSCALING


def test_a_tiny_face_in_a_tall_picture_is_cropped_to_head_and_shoulders() -> None:
    small = _placed((1000, 3000), 0.15, (400, 300))
    window = choose(small, 512)
    assert face_unit(small) * window.scale > 0.13 * 512
    eyes = window.to_video((small.group("right_eye").mean(0) + small.group("left_eye").mean(0))[None] / 2)[0]
    assert eyes[0] == pytest.approx(window.width / 2, abs=3)
    assert 0.2 < eyes[1] / window.height < 0.5


def test_a_crop_stays_inside_the_picture() -> None:
    window = choose(_placed((1000, 3000), 0.15, (0, 0)), 512)
    assert window.left >= 0
    assert window.top >= 0


def test_upscaling_is_limited() -> None:
    window = choose(_placed((120, 120), 120 / 1024, (0, 0)), 1024)
    assert max(window.width, window.height) == 120 * MOST_UPSCALING


def test_the_cut_is_the_picture_at_full_size_and_its_points_stay_on_its_features() -> None:
    window = choose(rig(), 1024)
    np.testing.assert_array_equal(window.cut(picture()), picture())
    half = choose(rig(), 512)
    shown = half.cut(picture())
    assert shown.shape == (512, 512, 3)
    x, y = half.to_video(rig().irises[0, :2])
    pupil = shown[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3]
    assert pupil.mean() < 110


def test_a_turned_head_is_measured_by_its_height() -> None:
    turned = rig()
    squeezed = replace(turned, points=(turned.points * (0.5, 1)).astype(np.float32))
    assert face_unit(squeezed) > 1.5 * squeezed.eye_distance
