"""What is cut out of a picture, and how what is drawn is put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.avatars import PRESENTERS
from comps.animation.engines.portrait.rig.rig import Rig
from comps.core.media.image import decode_image
from tests.neural.parity import fixture

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

MODES = ("crop", "extcrop", "resize", "full", "extfull")


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    return decode_image((PRESENTERS / "ada" / "portrait.png").read_bytes(), max_pixels=10**8)


def cut(picture: NDArray[np.uint8], mode: Any, side: int = 256) -> Any:
    from comps.animation.engines.sadtalker.source import cut_out

    return cut_out(picture, Rig.load(PRESENTERS / "ada" / "rig.json").points, mode, side)


@pytest.mark.parametrize("mode", MODES)
def test_the_landmarks_go_with_the_face(picture: NDArray[np.uint8], mode: str) -> None:
    found = cut(picture, mode)
    left, top, right, bottom = found.box
    points = Rig.load(PRESENTERS / "ada" / "rig.json").points
    back = found.landmarks * [(right - left) / 256, (bottom - top) / 256] + [left, top]
    np.testing.assert_allclose(back, points, atol=1e-2)
    assert found.face.shape == (256, 256, 3)
    assert 0 <= left < right <= picture.shape[1]
    assert 0 <= top < bottom <= picture.shape[0]


def test_how_much_each_mode_takes(picture: NDArray[np.uint8]) -> None:
    boxes = {mode: cut(picture, mode).box for mode in MODES}
    areas = {mode: (box[2] - box[0]) * (box[3] - box[1]) for mode, box in boxes.items()}
    assert boxes["crop"] == boxes["full"]
    assert boxes["extcrop"] == boxes["extfull"]
    assert areas["crop"] < areas["extcrop"] < areas["resize"] == picture.shape[0] * picture.shape[1]


def test_a_huge_face_is_made_smaller_first() -> None:
    from comps.animation.engines.sadtalker.source import cut_out

    expected = fixture("sadtalker_crop")
    width, height = expected["crop_huge_size"].tolist()
    found = cut_out(np.zeros((height, width, 3), np.uint8), expected["crop_huge_lm68"], "full", 256)
    assert found.canvas.shape[:2] == (height // 2, width // 2)
    eyes = found.landmarks[36:48].mean(0)
    assert 90 < eyes[0] < 166
    assert 60 < eyes[1] < 140


def composer(picture: NDArray[np.uint8], mode: Any, size: int = 320, paste: Any = "feather") -> Any:
    from comps.animation.engines.sadtalker.composing import Composer

    return Composer(cut(picture, mode), mode, size, paste)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [128, 250, 512])
def test_frames_have_the_size_they_should(picture: NDArray[np.uint8], mode: str, size: int) -> None:
    made = composer(picture, mode, size)
    frame = made.frame(np.zeros((256, 256, 3), np.uint8))
    assert frame.shape == (made.height, made.width, 3)
    assert max(made.width, made.height) == size
    assert made.width % 2 == made.height % 2 == 0
    whole = mode.endswith("full") or mode == "resize"
    wanted = picture.shape[1] / picture.shape[0] if whole else 1.0
    assert abs(made.width / made.height - wanted) < 0.06


def test_the_animated_square_is_put_back_without_a_seam(picture: NDArray[np.uint8]) -> None:
    """What was cut out comes back where it was, and a face that is too bright fades out towards the sides."""
    from comps.animation.engines.sadtalker.composing import Composer

    found = cut(picture, "full")
    made = Composer(found, "full", max(picture.shape[:2]))
    left, top, right, bottom = found.box
    same = made.frame(found.face).astype(int) - picture
    assert np.abs(same).mean() < 2
    bright = made.frame(np.full((256, 256, 3), 255, np.uint8))
    outside = np.ones(picture.shape[:2], bool)
    outside[top:bottom, left:right] = False
    np.testing.assert_array_equal(bright[outside], picture[outside])
    middle = bright[(top + bottom) // 2, (left + right) // 2]
    assert middle.min() == 255
    edge = bright[(top + bottom) // 2, left].astype(int) - picture[(top + bottom) // 2, left]
    assert edge.max() < 8


def test_the_original_blends_by_poisson(picture: NDArray[np.uint8]) -> None:
    import cv2

    found = cut(picture, "full")
    made = composer(picture, "full", max(picture.shape[:2]), "poisson")
    left, top, right, bottom = found.box
    face = cv2.resize(found.face, (right - left, bottom - top))
    centre = ((left + right) // 2, (top + bottom) // 2)
    expected = cv2.seamlessClone(face, picture, np.full(face.shape, 255, np.uint8), centre, cv2.NORMAL_CLONE)
    np.testing.assert_array_equal(made.frame(found.face), expected)


def test_no_soft_edge_where_the_square_ends_with_the_picture() -> None:
    from comps.animation.engines.sadtalker.composing import feather

    mask = feather((0, 10, 100, 120), (100, 200))
    assert mask.shape == (110, 100)
    assert mask[55, 0] == mask[55, -1] == 1
    assert mask[0].max() < 0.02
    assert mask[-1].max() < 0.02


def test_a_damaged_picture_is_said_to_be(tmp_path: Path) -> None:
    from comps.animation.engine import Avatar
    from comps.animation.engines.sadtalker.subject import _read
    from comps.core.errors import FaceError

    (tmp_path / "portrait.png").write_bytes(b"no picture")
    with pytest.raises(FaceError, match="damaged"):
        _read(Avatar("me", "Me", tmp_path / "portrait.png", tmp_path / "rig.json"))
