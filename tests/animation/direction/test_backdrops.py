"""Another backdrop behind a portrait: the person stays, the wall changes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.avatars import PRESENTERS
from comps.animation.direction.backdrop import COLOURS, Backdrop
from comps.animation.engines.portrait.backdrop.paint import LEAST_DISTINCT, with_backdrop
from comps.animation.engines.portrait.backdrop.person import cut_out
from comps.animation.engines.portrait.render.cache import FaceCache
from comps.animation.engines.portrait.rig.rig import Rig
from comps.core.media.image import decode_image

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module", params=["ada", "noor"])
def presenter(request: pytest.FixtureRequest) -> tuple[Picture, Rig]:
    folder = PRESENTERS / request.param
    picture = decode_image((folder / "portrait.png").read_bytes(), max_pixels=10_000_000)
    return picture, Rig.from_json((folder / "rig.json").read_text())


def face_of(rig: Rig) -> NDArray[np.bool_]:
    """The face without its outline."""
    mask = np.zeros(rig.size[::-1], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(rig.points.astype(np.int32)), 1)
    return cv2.erode(mask, np.ones((25, 25), np.uint8)) > 0


def corners(picture: Picture) -> Picture:
    return np.vstack([picture[:40, :40].reshape(-1, 3), picture[:40, -40:].reshape(-1, 3)])


def test_the_face_is_the_person_and_the_corners_are_not(presenter: tuple[Picture, Rig]) -> None:
    picture, rig = presenter
    person = cut_out(picture, rig)
    assert person.distinct > LEAST_DISTINCT
    assert person.alpha[face_of(rig)].min() == 1.0
    assert person.alpha[:40, :40].max() == person.alpha[:40, -40:].max() == 0.0
    assert 0.25 < person.alpha.mean() < 0.75


def test_the_same_picture_gives_the_same_cut(presenter: tuple[Picture, Rig]) -> None:
    first, second = (cut_out(*presenter).alpha for _ in range(2))
    assert np.array_equal(first, second)


def test_a_wall_is_painted_and_the_face_is_left(presenter: tuple[Picture, Rig]) -> None:
    picture, rig = presenter
    shown = with_backdrop(picture, rig, Backdrop("plain", "teal"))
    assert (corners(shown) == COLOURS["teal"]).all()
    assert np.array_equal(shown[face_of(rig)], picture[face_of(rig)])


def test_a_studio_is_brighter_behind_the_head(presenter: tuple[Picture, Rig]) -> None:
    picture, rig = presenter
    shown = with_backdrop(picture, rig, Backdrop("studio", "blue"))
    middle = int(rig.points[:, 1].mean())
    assert shown[middle, :8].mean() > shown[:8, :8].mean() + 5
    assert not np.array_equal(corners(shown), corners(picture))


def test_out_of_focus_keeps_the_colours_of_the_wall(presenter: tuple[Picture, Rig]) -> None:
    picture, rig = presenter
    shown = with_backdrop(picture, rig, Backdrop("blurred"))
    assert np.abs(corners(shown).mean(0) - corners(picture).mean(0)).max() < 8
    assert np.array_equal(shown[face_of(rig)], picture[face_of(rig)])


def test_a_fine_pattern_is_blurred_away(presenter: tuple[Picture, Rig]) -> None:
    picture, rig = presenter
    alpha = cut_out(picture, rig).alpha
    squares = (np.indices(picture.shape[:2]) // 6).sum(0) % 2 * 40 - 20
    busy = np.clip(picture + squares[..., None] * (alpha[..., None] == 0), 0, 255).astype(np.uint8)
    shown = with_backdrop(busy, rig, Backdrop("blurred"))
    assert busy[:60, :60].std(axis=(0, 1)).max() > 15
    assert shown[:60, :60].std(axis=(0, 1)).max() < 6


def test_a_person_like_the_wall_is_not_put_before_another(presenter: tuple[Picture, Rig]) -> None:
    picture, rig = presenter
    noise = np.random.default_rng(1).integers(0, 256, picture.shape).astype(np.uint8)
    alike = cv2.addWeighted(picture, 0.05, noise, 0.95, 0)
    assert not (corners(with_backdrop(alike, rig, Backdrop("plain", "red"))) == COLOURS["red"]).all()


def test_the_own_backdrop_is_the_picture_itself(presenter: tuple[Picture, Rig]) -> None:
    picture, rig = presenter
    assert with_backdrop(picture, rig, Backdrop()) is picture


def test_a_face_is_kept_for_each_backdrop(tmp_path: Path) -> None:
    folder, cache = PRESENTERS / "ada", FaceCache(4)
    image, rig = folder / "portrait.png", folder / "rig.json"
    own = cache.get(image, rig, 128)
    wall = cache.get(image, rig, 128, Backdrop("plain", "white"))
    assert cache.get(image, rig, 128) is own
    assert cache.get(image, rig, 128, Backdrop("plain", "white")) is wall
    assert wall is not own
    assert len(cache) == 2
