"""Which faces are seen, and what is said where none can be used."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from comps.animation.coach.image import sighting
from comps.animation.coach.image.check import check_image
from comps.animation.coach.image.sighting import Sighting, even, look, look_upside_down, without_shading_near
from comps.animation.coach.image.subject import find_subject
from comps.animation.engines.portrait.rig.faces import Face, face_boxes, find_faces, find_more
from tests.animation.coach import plants
from tests.animation.coach.plants import Picture, png, presenter

ADA, RIG = presenter("ada")
NOOR, _ = presenter("noor")


def grey(picture: Picture) -> Picture:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8)


def test_a_dark_face_is_seen_where_it_is() -> None:
    bright, dark = look(ADA).faces[0], look(even(plants.gain(ADA, 0.15))).faces[0]
    assert np.hypot(*(bright.centre - dark.centre)) < 0.1 * RIG.eye_distance


def test_evening_keeps_what_is_even() -> None:
    full = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (64, 1, 3))
    assert even(full) is full
    pale = (full // 4 + 90).astype(np.uint8)
    assert int(even(pale).max()) - int(even(pale).min()) > 240


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_picture_on_its_side_shows_its_face(turns: int) -> None:
    subject = find_subject(np.ascontiguousarray(np.rot90(ADA, turns)))
    assert subject.view is not None
    across = subject.view.face.left_eye - subject.view.face.right_eye
    roll = float(np.degrees(np.arctan2(across[1], across[0])))
    assert abs((roll + 90 * turns + 180) % 360 - 180) < 3


def test_a_second_face_that_leans_is_seen_too() -> None:
    both = plants.beside(ADA, plants.turned(NOOR, 24))
    first = find_faces(grey(both))
    assert len([*first, *find_more(grey(both), first)]) == 2
    assert check_image(png(both)).measured["faces"] == 2


def test_a_face_is_not_its_own_neighbour() -> None:
    faces = find_faces(grey(ADA))
    assert find_more(grey(ADA), faces) == []
    assert face_boxes(grey(ADA))


def test_a_face_whose_eyes_are_gone_is_told_from_no_face(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skin painted over both eyes leaves the cascade its face, and the search for irises nothing."""
    blank = ADA.copy()
    colour = ADA[int(RIG.points[30, 1]) - 60, int(RIG.points[30, 0])].tolist()
    for eye in (RIG.group("right_eye"), RIG.group("left_eye")):
        x, y = (int(v) for v in eye.mean(0))
        cv2.ellipse(blank, (x, y), (55, 28), 0, 0, 360, colour, -1, cv2.LINE_AA)
    monkeypatch.setattr(sighting, "find_faces", lambda grey: [])
    monkeypatch.setattr(sighting, "find_more", lambda *given, **named: [])
    report = check_image(png(blank))
    assert report.codes() >= {"eyes_hidden"}
    assert "face_missing" not in report.codes()


def test_a_face_seen_from_the_side_is_told_from_no_face(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("find_faces", "find_more", "face_boxes"):
        monkeypatch.setattr(sighting, name, lambda *given, **named: [])
    turned = plants.looking(NOOR, presenter("noor")[1], -45)
    assert check_image(png(turned)).codes() & {"face_profile", "face_missing"}


NOBODY: list[Callable[[], Picture]] = [
    lambda: np.full((600, 600, 3), 127, np.uint8),
    lambda: np.random.default_rng(1).integers(0, 256, (600, 600, 3), np.uint8),
    lambda: np.full((512, 512, 3), 255, np.uint8),
    lambda: np.zeros((512, 512, 3), np.uint8),
]


@pytest.mark.parametrize("make", NOBODY)
def test_no_face_is_an_error(make: Callable[[], Picture]) -> None:
    report = check_image(png(make()))
    assert "face_missing" in report.codes()
    assert report.measured["faces"] == 0
    assert not report.usable


@pytest.mark.parametrize("picture", [ADA, NOOR], ids=["ada", "noor"])
def test_a_face_on_its_head_is_found_where_it_is(picture: Picture) -> None:
    upright = look(picture).faces[0]
    turned = look_upside_down(np.ascontiguousarray(np.rot90(picture, 2))).faces[0]
    corner = np.array([picture.shape[1] - 1, picture.shape[0] - 1])
    assert np.abs(turned.right_eye - (corner - upright.right_eye)).max() < 0.02 * picture.shape[0]
    assert turned.right_eye[0] > turned.left_eye[0]
    assert not look_upside_down(picture).faces


@pytest.mark.parametrize("picture", [ADA, NOOR], ids=["ada", "noor"])
def test_a_face_taken_for_upright_is_looked_at_again(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    """As brows are sometimes taken for a mouth: what is seen first has none."""
    upside_down = np.ascontiguousarray(np.rot90(picture, 2))
    eyes = look_upside_down(upside_down).faces[0]
    wrong = Sighting((Face(eyes.left_eye, eyes.right_eye, 1.0),))
    monkeypatch.setattr("comps.animation.coach.image.subject.look", lambda _: wrong)
    found = find_subject(upside_down)
    assert found.sighting.turned
    assert found.view is not None
    assert found.view.face.right_eye[0] > found.view.face.left_eye[0]


@pytest.mark.parametrize("turns", [1, 3])
def test_a_face_that_lies_is_looked_at_the_other_way_up(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As eyes look much alike upside down: what is seen first stands on its head."""
    lying = np.ascontiguousarray(np.rot90(NOOR, turns))
    eyes = look(lying).faces[0]
    wrong = Sighting((Face(eyes.left_eye, eyes.right_eye, 1.0),), turned=True)
    monkeypatch.setattr("comps.animation.coach.image.subject.look", lambda _: wrong)
    view = find_subject(lying).view
    assert view is not None
    assert np.hypot(*(view.face.right_eye - eyes.right_eye)) < 0.2 * eyes.eye_distance


def first_seen(monkeypatch: pytest.MonkeyPatch, face: Face) -> None:
    monkeypatch.setattr("comps.animation.coach.image.subject.look", lambda _: Sighting((face,)))


def test_a_ruffle_with_an_eye_in_it_does_not_hide_a_larger_face_that_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    lying = np.ascontiguousarray(np.rot90(NOOR))
    first_seen(monkeypatch, Face(np.array([300.0, 800.0]), np.array([330.0, 800.0]), 0.9))
    monkeypatch.setattr(
        "comps.animation.coach.image.subject.open_eyes", lambda view: 1 if view.face.eye_distance < 60 else 2
    )
    assert check_image(png(lying)).measured["roll"] == pytest.approx(-90, abs=3)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_tiny_pattern_with_two_eyes_and_a_mouth_does_not_hide_a_larger_face_that_lies(turns: int) -> None:
    wall = np.full((1000, 1000, 3), 200, np.uint8)
    large, tiny = plants.scaled(ADA, 640), plants.scaled(NOOR, 190)
    wall[330 : 330 + len(large), 330 : 330 + large.shape[1]] = np.rot90(large, turns)
    wall[60 : 60 + len(tiny), 80 : 80 + tiny.shape[1]] = tiny
    assert look(wall).faces[0].eye_distance < 50
    roll = float(check_image(png(wall)).measured["roll"])
    assert abs((roll + 90 * turns + 180) % 360 - 180) < 3


@pytest.mark.parametrize(("name", "darker"), [("ada", 0.3), ("ada", 0.45), ("noor", 0.45)])
def test_an_eye_that_is_missed_in_a_shadow_is_found_without_it(name: str, darker: float) -> None:
    picture, rig = presenter(name)
    evened = even(plants.shaded(picture, rig, darker))
    right, left = rig.irises[:, :2].astype(float)
    unit = rig.eye_distance
    for missed in (
        Face(right, left - np.array([0.3 * unit, 0.0]), 1.2),
        Face(right + np.array([0.3 * unit, 0.0]), left, 1.2),
    ):
        found = without_shading_near(evened, missed)
        assert found is not None
        assert (
            max(np.hypot(*(found.right_eye - right)), np.hypot(*(found.left_eye - left))) < 0.15 * unit
        )  # irises are sought from there


@pytest.mark.parametrize(("aside", "size"), [(0.0, 0.4), (0.0, 2.0), (1.0, 1.0)])
def test_another_face_is_not_taken_for_one_in_shadow(aside: float, size: float) -> None:
    picture, rig = presenter("ada")
    right, left = rig.irises[:, :2].astype(float)
    centre, half = (right + left) / 2 + [aside * rig.eye_distance, 0.0], size * (left - right) / 2
    assert without_shading_near(even(picture), Face(centre - half, centre + half, 1.2)) is None


@pytest.mark.parametrize("name", ["ada", "noor"])
@pytest.mark.parametrize("quality", [92, 98])
def test_shut_eyes_stay_shut_however_the_picture_is_stored(name: str, quality: int) -> None:
    picture, rig = presenter(name)
    report = check_image(png(plants.recoded(plants.acted(picture, rig, eyeBlink=1.0), quality)))
    assert "eyes_unclear" in report.codes()
