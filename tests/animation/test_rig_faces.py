"""Faces in pictures that are searched at the same time, and of heads that are turned."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.avatars import PRESENTERS
from comps.animation.engines.portrait.rig.eyes import EYE_LEVEL, EYE_SPAN, FACE, TURNED, USUAL, _prior
from comps.animation.engines.portrait.rig.faces import find_faces
from tests.animation.coach import plants
from tests.animation.coach.plants import presenter

Grey = NDArray[np.uint8]


def grey(name: str, side: int) -> Grey:
    picture = cv2.imread(str(PRESENTERS / name / "portrait.png"), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8)


def places(picture: Grey) -> list[tuple[float, ...]]:
    return [(*face.right_eye, *face.left_eye) for face in find_faces(picture)]


def test_pictures_searched_at_once_keep_their_own_faces() -> None:
    """Two uploads are searched in two threads; a face of one must never be found in the other."""
    pictures = [grey("ada", 300), grey("noor", 200), np.full((260, 260), 120, np.uint8)]
    alone = [places(picture) for picture in pictures]
    assert [len(found) for found in alone] == [1, 1, 0]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(places, pictures * 8))
    assert together == alone * 8


@pytest.mark.parametrize("yaw", [-20, -15, 15, 20])
@pytest.mark.parametrize("name", ["ada", "noor"])
def test_the_eyes_of_a_turned_head_are_found(name: str, yaw: int) -> None:
    """And not a part of it, or an eye and the brow of the other one: its eyes are nearer to each other."""
    picture, rig = presenter(name)
    turned = cv2.cvtColor(plants.looking(picture, rig, yaw), cv2.COLOR_RGB2GRAY).astype(np.uint8)
    (face,) = find_faces(turned)
    unit = rig.eye_distance
    centre = rig.irises[:, :2].mean(0) + np.array([0.6 * unit * np.sin(np.radians(yaw)), 0.0])
    assert face.eye_distance == pytest.approx(unit * np.cos(np.radians(yaw)), rel=0.1)
    assert np.hypot(*(face.centre - centre)) < 0.1 * unit


def test_a_pair_that_is_far_too_narrow_is_no_turned_face() -> None:
    right = np.array([0.5 - 0.35 * EYE_SPAN, EYE_LEVEL]) * FACE
    for part, possible in ((0.7, False), (0.8, True)):
        left = right + np.array([part * EYE_SPAN * FACE, 0.0])
        assert (_prior(np.array([*right, 1.0]), np.array([*left, 1.0]), TURNED) > 0) == possible
        assert _prior(np.array([*right, 1.0]), np.array([*left, 1.0]), USUAL) > 0


def test_no_face_is_seen_in_noise_and_ramps() -> None:
    rng = np.random.default_rng(7)
    ramp = np.tile(np.linspace(0, 255, 300), (300, 1))
    for picture in (
        ramp,
        ramp.T,
        rng.normal(128, 40, (300, 300)),
        cv2.GaussianBlur(rng.normal(128, 90, (300, 300)), (0, 0), 4),
    ):
        assert find_faces(picture.clip(0, 255).astype(np.uint8)) == []
