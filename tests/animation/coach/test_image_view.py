"""Irises are found where they are, whatever the light on them and whoever drew them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.coach.image import view
from comps.animation.engines.portrait.rig.canvas import HEIGHT, ORIGIN, UNIT, WIDTH
from comps.animation.engines.portrait.rig.faces import Face
from tests.animation.coach import plants
from tests.animation.coach.plants import presenter

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


@pytest.mark.parametrize("radius", [0.15, 0.17])
def test_large_irises_are_told(radius: float) -> None:
    assert view._are_drawn(view._unshaded(eyes(radius, 0.0)), PLACES)


@pytest.mark.parametrize("name", ["ada", "noor"])
@pytest.mark.parametrize("pitch", [-25.0, 0.0, 25.0])
def test_the_presenters_are_drawn(name: str, pitch: float, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []
    are_drawn = view._are_drawn
    monkeypatch.setattr(view, "_are_drawn", lambda *given: told.append(are_drawn(*given)) or told[-1])
    seen = plants.png(plants.looking(*presenter(name), pitch=pitch))
    view_of(seen)
    assert told
    assert all(told)


def view_of(data: bytes) -> None:
    from comps.animation.coach.image.check import check_image

    check_image(data)
