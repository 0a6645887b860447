from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from comps.animation.engine import Avatar
from comps.animation.engines.liveavatar.launch.frame_size import FrameSize
from comps.animation.engines.liveavatar.look import Look, cut, scaled_frames, scaled_size
from comps.core.errors import UnprocessableError


def test_the_middle_of_the_picture_is_cut_out() -> None:
    picture = np.zeros((100, 400, 3), np.uint8)
    picture[:, 150:250] = 255
    middle = cut(picture, FrameSize(128, 128))
    assert middle.shape == (128, 128, 3)
    assert middle.min() > 200


@pytest.mark.parametrize("shape", [(1000, 700), (50, 70), (256, 384)])
def test_pictures_large_and_small_get_the_size(shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 77, np.uint8)
    assert cut(picture, FrameSize(384, 256)).shape == (256, 384, 3)
    assert (cut(picture, FrameSize(384, 256)) == 77).all()


def test_a_look_follows_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((90, 160, 3), np.uint8))
    avatar = Avatar("a", "A", path, path)
    first = Look.of(avatar, "A man.", 1, "704*384")
    assert first.size == FrameSize(704, 384)
    assert first == Look.of(avatar, "A man.", 1, "704*384")
    assert first != Look.of(avatar, "A man.", 2, "704*384")
    cv2.imwrite(str(path), np.zeros((160, 90, 3), np.uint8))
    assert first != Look.of(avatar, "A man.", 1, "704*384")


def test_what_is_written_has_the_sides_and_colours(tmp_path: Path) -> None:
    picture = np.zeros((90, 160, 3), np.uint8)
    picture[..., 2] = 200  # blue, green, red: red
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    Look.of(Avatar("a", "A", tmp_path / "a.png", tmp_path), "x", 0, "384*256").write(tmp_path / "b.png")
    written = cv2.imread(str(tmp_path / "b.png"))
    assert written is not None
    assert written.shape == (256, 384, 3)
    assert written[128, 192].tolist() == [0, 0, 200]


def test_a_damaged_picture_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(UnprocessableError, match="add it again"):
        Look.of(Avatar("a", "A", tmp_path / "a.png", tmp_path), "x", 0, "384*256")


@pytest.mark.parametrize(
    ("size", "longest", "sides"),
    [
        ((704, 384), 512, (512, 280)),
        ((384, 704), 64, (34, 64)),
        ((512, 512), 512, (512, 512)),
        ((960, 128), 64, (64, 16)),
    ],
)
def test_sides_of_the_video_are_even(size: tuple[int, int], longest: int, sides: tuple[int, int]) -> None:
    assert scaled_size(FrameSize(*size), longest) == sides


def test_frames_are_scaled_only_when_they_must() -> None:
    frames = np.full((2, 64, 96, 3), 9, np.uint8)
    assert scaled_frames(frames, 96, 64) is frames
    assert scaled_frames(frames, 48, 32).shape == (2, 32, 48, 3)
    assert (scaled_frames(frames, 192, 128) == 9).all()
