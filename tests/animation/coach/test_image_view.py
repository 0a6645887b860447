"""Irises are found where they are, whatever the light on them and whoever drew them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.coach.image import view
from comps.animation.coach.image.check import check_image
from comps.animation.coach.image.subject import find_subject
from comps.animation.engines.portrait.rig.canvas import HEIGHT, ORIGIN, UNIT, WIDTH
from comps.animation.engines.portrait.rig.faces import Face
from tests.animation.coach import plants
from tests.animation.coach.plants import presenter

BOTH = pytest.mark.parametrize("name", ["ada", "noor"])
PLACES = [np.array([side * UNIT, 0.0]) + ORIGIN for side in (-0.5, 0.5)]
OFF = np.array([0.04, -0.03]) * UNIT


def eyes(radius: float, shade: float) -> NDArray[np.float32]:
    """Lightness of a face with irises of `radius` eye distances `OFF` from where they are looked for; the sockets towards the
    nose are darker by up to `shade`."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    nose = np.exp(-0.5 * (((x - ORIGIN[0]) / UNIT / 0.3) ** 2 + ((y - ORIGIN[1]) / UNIT / 0.4) ** 2))
    face = 75 - shade * nose
    for place in PLACES:
        across, down = x - place[0] - OFF[0], y - place[1] - OFF[1]
        face = np.where((across / (0.28 * UNIT)) ** 2 + (down / (0.12 * UNIT)) ** 2 < 1, face + 5, face)
        seen = (np.hypot(across, down) < radius * UNIT) & (np.abs(down) < max(0.08, 0.75 * radius) * UNIT)
        face = np.where(seen, 35, face)
    return cv2.GaussianBlur(face.astype(np.float32).clip(5, 100), (0, 0), 1.5)


@pytest.mark.parametrize(("shade", "limit"), [(0.0, 0.02), (30.0, 0.02), (60.0, 0.06)])
def test_a_shaded_socket_does_not_draw_the_iris_to_its_side(shade: float, limit: float) -> None:
    lightness = eyes(0.093, shade)
    picture = cv2.cvtColor((lightness * 2.55).astype(np.uint8), cv2.COLOR_GRAY2RGB)
    face = view._nearer(picture, Face(*PLACES, 1.0))
    for found, place in zip((face.right_eye, face.left_eye), PLACES, strict=True):
        assert np.hypot(*(found - place - OFF)) < limit * UNIT


def test_without_more_the_deepest_shade_would_be_taken_for_irises() -> None:
    lightness = eyes(0.093, 60.0)
    assert all(np.hypot(*(view._centred(lightness, place) - place - OFF)) > 0.15 * UNIT for place in PLACES)


@pytest.mark.parametrize("shade", [0.0, 30.0])
@pytest.mark.parametrize("radius", [0.15, 0.17])
def test_large_irises_are_told_and_found(radius: float, shade: float) -> None:
    for place in PLACES:
        iris, lead = view._drawn_iris(view._unshaded(eyes(radius, shade)), place)
        assert lead > 0
        assert np.hypot(*(iris - place - OFF)) < 0.02 * UNIT


@pytest.mark.parametrize("shade", [0.0, 30.0])
def test_irises_of_usual_size_are_not_told_as_large(shade: float) -> None:
    lightness = view._unshaded(eyes(0.093, shade))
    assert all(view._drawn_iris(lightness, place)[1] < 0 for place in PLACES)


@BOTH
@pytest.mark.parametrize("pitch", [-25.0, 0.0, 25.0])
def test_the_presenters_are_drawn(name: str, pitch: float, monkeypatch: pytest.MonkeyPatch) -> None:
    leads: list[float] = []
    drawn_iris = view._drawn_iris

    def watched(lightness: view.Plane, place: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        found = drawn_iris(lightness, place)
        leads.append(found[1])
        return found

    monkeypatch.setattr(view, "_drawn_iris", watched)
    find_subject(plants.looking(*presenter(name), pitch=pitch))
    assert leads
    assert all(lead > 0 for lead in leads)


@BOTH
@pytest.mark.parametrize("light", [1.0, 0.7, 0.5, 0.3])
def test_drawn_irises_are_found_in_any_light(name: str, light: float) -> None:
    picture, rig = presenter(name)
    seen = find_subject(plants.gain(picture, light)).view
    assert seen is not None
    for found, drawn in zip((seen.face.right_eye, seen.face.left_eye), rig.irises[:, :2], strict=True):
        assert np.hypot(*(found - drawn)) < 0.03 * rig.eye_distance


@BOTH
@pytest.mark.parametrize("rims", [0.02, 0.05])
def test_eyes_behind_the_rims_of_glasses_are_seen(name: str, rims: float) -> None:
    """Dark rounds about the eyes, `rims` eye distances thick."""
    picture, rig = presenter(name)
    worn = picture.copy()
    for iris in rig.irises[:, :2]:
        centre = (int(iris[0]), int(iris[1]))
        cv2.circle(
            worn, centre, int(0.36 * rig.eye_distance), (25, 20, 20), max(1, int(rims * rig.eye_distance)), cv2.LINE_AA
        )
    assert check_image(plants.png(worn)).measured["eyes_open"] == 2
