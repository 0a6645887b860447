"""Finding a rig: on drawn presenters whose points are known, turned, shrunk and darkened."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.avatars import PRESENTERS
from comps.animation.engines.portrait.rig.find import find_rig
from comps.animation.engines.portrait.rig.finder import RigFinder
from comps.animation.engines.portrait.rig.preview import SIDE, draw_preview
from comps.animation.engines.portrait.rig.rig import POINTS, Rig
from comps.animation.engines.portrait.rig.subject import check_size, choose
from comps.animation.engines.portrait.rig.warnings import rig_warnings
from comps.core.errors import EngineUnavailableError, FaceError

Picture = NDArray[np.uint8]
SHIPPED = ("ada", "noor")


def load(name: str, side: int = 640) -> tuple[Picture, NDArray[np.float64], float]:
    """A presenter's picture, its true points and its eye distance, at `side` pixels."""
    rig = Rig.load(PRESENTERS / name / "rig.json")
    picture = cv2.imread(str(PRESENTERS / name / "portrait.png"))
    assert picture is not None
    scale = side / rig.size[0]
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB), rig.points.astype(float) * scale, rig.eye_distance * scale


def turned(picture: Picture, points: NDArray[np.float64], degrees: float) -> tuple[Picture, NDArray[np.float64]]:
    matrix = cv2.getRotationMatrix2D((picture.shape[1] / 2, picture.shape[0] / 2), degrees, 1.0)
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), moved


def errors(rig: Rig, points: NDArray[np.float64], unit: float) -> dict[str, float]:
    """Mean distance, in eye distances, of the features a mouth and eyes are animated by."""
    away = np.linalg.norm(rig.points - points, axis=1) / unit
    return {"eyes": away[36:48].mean(), "mouth": away[48:68].mean(), "all": away.mean()}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_points_of_a_presenter_are_found(name: str) -> None:
    picture, points, unit = load(name)
    rig = find_rig(picture)
    away = errors(rig, points, unit)
    assert away["eyes"] < 0.13
    assert away["mouth"] < 0.13
    assert away["all"] < 0.20
    assert rig.size == (640, 640)
    assert rig.points.shape == (POINTS, 2)
    assert ((rig.confidence > 0) & (rig.confidence <= 1)).all()
    assert rig.source == "haar"
    assert rig.crown[1] < rig.group("right_brow")[:, 1].min()


@pytest.mark.parametrize("degrees", [-12.0, 12.0])
def test_a_leaning_head_is_found_as_well(degrees: float) -> None:
    picture, points, unit = load("noor")
    leaning, moved = turned(picture, points, degrees)
    assert errors(find_rig(leaning), moved, unit)["mouth"] < 0.15


def test_the_mirror_image_has_mirrored_features() -> None:
    picture, _, unit = load("noor")
    rig, mirrored = find_rig(picture), find_rig(np.ascontiguousarray(picture[:, ::-1]))
    middle = rig.group("lips_outer").mean(0), mirrored.group("lips_outer").mean(0)
    assert middle[0][0] + middle[1][0] == pytest.approx(639, abs=0.1 * unit)
    assert middle[0][1] == pytest.approx(middle[1][1], abs=0.1 * unit)


def test_dark_and_small_pictures_are_found() -> None:
    picture, points, unit = load("noor", 256)
    dark = ((picture / 255.0) ** 1.5 * 180).astype(np.uint8)
    assert errors(find_rig(dark), points, unit)["mouth"] < 0.16


def test_finding_is_repeatable() -> None:
    picture, _, _ = load("ada", 400)
    first, second = find_rig(picture), find_rig(picture)
    assert np.array_equal(first.points, second.points)
    assert np.array_equal(first.irises, second.irises)


@pytest.mark.parametrize("kind", ["noise", "grey", "stripes"])
def test_no_face_says_what_to_do(kind: str) -> None:
    pictures = {
        "noise": np.random.default_rng(1).integers(0, 255, (300, 300, 3), np.uint8),
        "grey": np.full((300, 200, 3), 128, np.uint8),
        "stripes": np.tile(np.repeat(np.array([0, 255], np.uint8), 10), (300, 15))[..., None].repeat(3, 2),
    }
    with pytest.raises(FaceError, match="no face was found: use a picture"):
        find_rig(np.ascontiguousarray(pictures[kind]))


def test_two_faces_are_refused_and_a_much_smaller_one_is_not() -> None:
    left, _, _ = load("ada", 400)
    right, points, unit = load("noor", 400)
    with pytest.raises(FaceError, match="2 faces were found: crop"):
        find_rig(np.concatenate([left, right], 1))
    small = cv2.resize(left, (120, 120), interpolation=cv2.INTER_AREA)
    scene = np.full((400, 520, 3), 200, np.uint8)
    scene[:, :400], scene[:120, 400:] = right, small
    assert errors(find_rig(scene), points, unit)["mouth"] < 0.16


def test_a_face_that_is_too_small_is_refused() -> None:
    picture, _, _ = load("noor", 128)
    with pytest.raises(FaceError, match="too small: its eyes are"):
        find_rig(picture)


def test_choose_and_check_size() -> None:
    assert choose(["a", "b"], [10.0, 26.0]) == "b"
    with pytest.raises(FaceError):
        choose(["a", "b"], [12.0, 26.0])
    with pytest.raises(FaceError):
        choose([], [])
    check_size(24.0)
    with pytest.raises(FaceError):
        check_size(23.9)


def test_doubtful_parts_and_small_faces_are_warned_about() -> None:
    rig = Rig.load(PRESENTERS / "ada" / "rig.json")
    assert rig_warnings(rig) == ()
    confidence = rig.confidence.copy()
    confidence[48:60] = 0.1
    doubtful = Rig(rig.size, rig.points, rig.irises, rig.crown, confidence, "haar")
    assert rig_warnings(doubtful) == (
        "the outline of the lips could not be seen clearly: look at the preview and move its points if needed",
    )
    small = Rig((200, 200), rig.points / 5, rig.irises / 5, rig.crown / 5, rig.confidence, "haar")
    assert "small" in rig_warnings(small)[0]


def test_preview_shows_the_face_with_its_points() -> None:
    picture, _, _ = load("ada")
    rig = find_rig(picture)
    preview = draw_preview(picture, rig)
    assert max(preview.shape) == SIDE
    assert preview.shape[2] == 3
    without = draw_preview(picture, Rig(rig.size, rig.points, rig.irises, rig.crown, rig.confidence * 0, "haar"))
    assert not np.array_equal(preview, without)


def test_a_landmarker_without_its_file_or_extra_is_an_engine_that_is_missing(tmp_path: object) -> None:
    picture, _, _ = load("ada")
    assert np.array_equal(RigFinder()(picture).points, find_rig(picture).points)
    with pytest.raises(EngineUnavailableError, match=r"mediapipe|landmarker"):
        RigFinder(PRESENTERS / "no_such.task")
