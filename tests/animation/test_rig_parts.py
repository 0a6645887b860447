"""The parts of the rig finder on pictures whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.canvas import HEIGHT, ORIGIN, UNIT, WIDTH, cut
from comps.animation.engines.portrait.rig.curves import Search, normals, resample, sample, snap
from comps.animation.engines.portrait.rig.eyes import refine_iris
from comps.animation.engines.portrait.rig.fit import fit_face
from comps.animation.engines.portrait.rig.mouth import OPEN_GAP, mouth_centre, mouth_line, opening
from comps.animation.engines.portrait.rig.shape import CROWN, LEFT_IRIS, MEAN, MIRROR, RIGHT_IRIS, Pose

SKIN = (214, 170, 140)
LIP = (178, 92, 88)


def drawn_mouth(centre: tuple[float, float], half_width: float) -> NDArray[np.uint8]:
    """A canvas of skin with two lips and a dark line between them."""
    picture = np.full((HEIGHT, WIDTH, 3), SKIN, np.uint8)
    at = (round(centre[0]), round(centre[1]))
    cv2.ellipse(picture, at, (round(half_width), round(0.14 * UNIT)), 0, 0, 360, LIP, -1, cv2.LINE_AA)
    left, right = at[0] - round(half_width), at[0] + round(half_width)
    cv2.line(picture, (left, at[1]), (right, at[1]), (60, 25, 25), 4, cv2.LINE_AA)
    return picture


def canvas_of(picture: NDArray[np.uint8]) -> object:
    return cut(picture, np.array([ORIGIN[0] - UNIT / 2, ORIGIN[1]]), np.array([ORIGIN[0] + UNIT / 2, ORIGIN[1]]))


def test_the_mean_face_is_symmetric_and_in_its_unit() -> None:
    assert np.allclose(MEAN[MIRROR] * [-1, 1, 1], MEAN)
    eyes = MEAN[36:42].mean(0), MEAN[42:48].mean(0)
    assert np.linalg.norm(eyes[1] - eyes[0]) == pytest.approx(1.0, abs=0.01)
    assert MEAN[CROWN, 1] < MEAN[19, 1] < MEAN[30, 1] < MEAN[62, 1] < MEAN[8, 1]


def test_a_canvas_is_upright_and_maps_back() -> None:
    picture = np.zeros((300, 400, 3), np.uint8)
    right, left = np.array([150.0, 180.0]), np.array([230.0, 120.0])
    canvas = cut(picture, right, left)
    placed = canvas.to_canvas(np.stack([right, left]))
    assert np.allclose(placed, [[ORIGIN[0] - UNIT / 2, ORIGIN[1]], [ORIGIN[0] + UNIT / 2, ORIGIN[1]]])
    assert np.allclose(canvas.to_picture(placed), [right, left])
    assert canvas.zoom == pytest.approx(UNIT / 100)
    assert not canvas.inside.all()


@pytest.mark.parametrize(("yaw", "roll"), [(0.0, 0.0), (0.25, 0.0), (-0.25, 0.04), (0.4, 0.0)])
def test_a_turned_head_is_fitted(yaw: float, roll: float) -> None:
    pose = Pose(UNIT * 1.02, yaw, 0.0, roll, ORIGIN)
    truth = pose.project()
    shadow = truth[33] - [0, 0.03 * UNIT]
    fit = fit_face(truth[[RIGHT_IRIS, LEFT_IRIS]], truth[[48, 54]], shadow)
    away = np.linalg.norm(fit.points[17:68] - truth[17:68], axis=1) / UNIT
    assert away.mean() < 0.06
    assert np.sign(round(fit.pose.yaw, 2)) == np.sign(yaw)


@pytest.mark.parametrize("shift", [-0.1, 0.0, 0.1])
@pytest.mark.parametrize("half", [0.33, 0.38])
def test_a_mouth_is_found_where_it_was_drawn(shift: float, half: float) -> None:
    centre = (ORIGIN[0] + shift * UNIT, ORIGIN[1] + 1.08 * UNIT)
    canvas = canvas_of(drawn_mouth(centre, half * UNIT))
    found, clarity = mouth_centre(canvas)  # type: ignore[arg-type]
    assert clarity > 0.5
    assert found[1] == pytest.approx(centre[1], abs=0.04 * UNIT)
    line = mouth_line(canvas, found)  # type: ignore[arg-type]
    assert line.points[0][0] == pytest.approx(centre[0] - half * UNIT, abs=0.08 * UNIT)
    assert line.points[-1][0] == pytest.approx(centre[0] + half * UNIT, abs=0.08 * UNIT)
    assert np.abs(line.points[:, 1] - centre[1]).max() < 0.03 * UNIT
    assert min(line.corners) > 0.3


def parted_mouth(gap: float) -> NDArray[np.uint8]:
    """A canvas with lips parted by `gap` units: a dark line, teeth below it, a lower lip with a gloss."""
    centre = (ORIGIN[0], ORIGIN[1] + 1.08 * UNIT)
    picture = drawn_mouth(centre, 0.36 * UNIT)
    x, y = round(centre[0]), round(centre[1])
    lower = (x, y + round(gap * UNIT))
    cv2.ellipse(picture, lower, (round(0.34 * UNIT), round(0.15 * UNIT)), 0, 0, 180, LIP, -1, cv2.LINE_AA)
    cv2.ellipse(picture, (x, lower[1] + round(0.09 * UNIT)), (18, 3), 0, 0, 360, (250, 225, 220), -1, cv2.LINE_AA)
    if gap:
        cv2.rectangle(picture, (x - 40, y), (x + 40, lower[1]), (225, 215, 200), -1)
    cv2.line(picture, (x - 44, y), (x + 44, y), (60, 25, 25), 4, cv2.LINE_AA)
    return picture


@pytest.mark.parametrize("gap", [0.0, 0.08, 0.12])
def test_parted_lips_are_told_from_a_gloss_on_the_lower_one(gap: float) -> None:
    canvas = canvas_of(parted_mouth(gap))
    line = mouth_line(canvas, mouth_centre(canvas)[0])  # type: ignore[arg-type]
    found = opening(canvas, line)  # type: ignore[arg-type]
    assert len(found) == len(line.points)
    middle = found[len(found) // 2]
    assert middle == pytest.approx(gap * UNIT, abs=0.03 * UNIT)
    assert middle == 0 or middle > OPEN_GAP
    assert found[[0, -1]].max() < 0.3 * OPEN_GAP


@pytest.mark.parametrize("radius", [0.085, 0.10, 0.12])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (4.3, -2.6)])
def test_an_iris_is_found_to_a_fraction_of_a_pixel(radius: float, offset: tuple[float, float]) -> None:
    expected = np.array([300.0, 200.0])
    truth = expected + offset
    big = np.full((HEIGHT * 4, WIDTH * 4), 235, np.uint8)
    at = (round((truth[0] + 0.5) * 4 - 0.5), round((truth[1] + 0.5) * 4 - 0.5))
    cv2.circle(big, at, round(radius * UNIT * 4), 70, -1, cv2.LINE_AA)
    plane = cv2.resize(big, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32) / 2.55
    (x, y, found), votes = refine_iris(plane, expected, UNIT)
    assert np.hypot(x - truth[0], y - truth[1]) < 0.6
    assert found == pytest.approx(radius * UNIT, rel=0.18)
    assert votes > 0.3


def test_where_there_is_no_iris_the_expected_place_stays() -> None:
    (x, y, radius), _ = refine_iris(np.full((HEIGHT, WIDTH), 60, np.float32), np.array([250.0, 180.0]), UNIT)
    assert np.hypot(x - 250, y - 180) < 0.13 * UNIT
    assert 0.05 * UNIT < radius < 0.2 * UNIT


def test_snap_moves_a_curve_onto_a_ridge_and_bridges_gaps() -> None:
    y, x = np.mgrid[0:100, 0:200].astype(np.float32)
    ridge_y = 50 + 6 * np.sin(x / 40)
    energy = np.exp(-0.5 * ((y - ridge_y) / 2.5) ** 2).astype(np.float32)
    energy[:, 95:105] = 0
    curve = np.stack([np.linspace(20, 180, 33), np.full(33, 50.0)], 1)
    moved = snap(energy, curve, Search(12, 8))
    truth = 50 + 6 * np.sin(moved.points[:, 0] / 40)
    assert np.abs(moved.points[:, 1] - truth).max() < 2.8
    assert moved.strength[0] > 0.8


def test_curve_helpers() -> None:
    line = np.array([[0.0, 0.0], [3.0, 0.0], [10.0, 0.0]])
    assert np.allclose(resample(line, 5)[:, 0], [0, 2.5, 5, 7.5, 10])
    assert np.allclose(normals(line), [[0, 1]] * 3)
    plane = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert sample(plane, np.array([[1.5, 1.0], [-9.0, 0.0]])).tolist() == [5.5, 0.0]
