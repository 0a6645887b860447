"""Faces by cascades: boxes and points against the known points of the drawn presenters."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from comps.animation.avatars import PRESENTERS
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.faces.face import DetectedFace
from comps.animation.faces.haar import HaarDetector

SIDE = 512


def presenter(name: str) -> tuple[np.ndarray, Rig, float]:
    picture = cv2.cvtColor(cv2.imread(str(PRESENTERS / name / "portrait.png")), cv2.COLOR_BGR2RGB)
    rig = Rig.load(PRESENTERS / name / "rig.json")
    scale = SIDE / rig.size[0]
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), rig, scale


@pytest.mark.parametrize("name", ["ada", "noor"])
def test_the_box_is_tight_around_chin_and_cheeks(name: str) -> None:
    picture, rig, scale = presenter(name)
    (face,) = HaarDetector().detect([picture])[0]
    jaw = rig.points[:17] * scale
    unit = rig.eye_distance * scale
    x1, y1, x2, y2 = face.box
    assert face.points is None
    assert abs(y2 - jaw[:, 1].max()) < 0.35 * unit
    assert abs(x1 - jaw[:, 0].min()) < 0.35 * unit
    assert abs(x2 - jaw[:, 0].max()) < 0.35 * unit
    assert y1 < rig.points[17:27, 1].min() * scale


def test_landmarks_lie_where_the_rig_has_them() -> None:
    picture, rig, scale = presenter("ada")
    (face,) = HaarDetector(landmarks=True).detect([picture])[0]
    assert face.points is not None
    away = np.hypot(*(face.points[36:68] - rig.points[36:68] * scale).T)
    assert away.mean() < 0.08 * rig.eye_distance * scale
    eyes, nose, mouth = face.five_points()[:2], face.five_points()[2], face.five_points()[3:]
    assert eyes[0, 0] < nose[0] < eyes[1, 0]
    assert eyes[:, 1].max() < nose[1] < mouth[:, 1].min()


def test_pictures_of_any_size_and_without_a_face() -> None:
    picture, _, _ = presenter("ada")
    pair = np.concatenate([picture, picture], 1)
    empty = np.full((48, 64, 3), 127, np.uint8)
    one, none, two = HaarDetector().detect([picture, empty, pair])
    assert [len(one), len(none), len(two)] == [1, 0, 2]
    assert two[0].score >= two[1].score
    assert HaarDetector().detect([]) == []


def test_five_points_need_points() -> None:
    box = np.array([0, 0, 8, 8], np.float32)
    with pytest.raises(ValueError, match="0 points"):
        DetectedFace(box, 1.0).five_points()
    assert DetectedFace(box, 1.0).area == 64.0
    np.testing.assert_array_equal(DetectedFace(box, 1.0).centre, [4, 4])
