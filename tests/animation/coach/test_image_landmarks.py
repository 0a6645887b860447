"""What is told of a face by its landmarks: stored ones of the shipped presenters, or, where it is, MediaPipe itself.

With the extra ``mediapipe`` and `AVATAR_FACE_LANDMARKER` naming ``face_landmarker.task`` the last tests run too.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from comps.animation.coach.coach import Coach, Inputs
from comps.animation.coach.image.check import check_image
from comps.animation.coach.image.mesh_pose import mesh_pose
from comps.animation.coach.image.mesh_reading import frown, lip_curve, lip_gap, open_eyes, smile
from comps.animation.coach.image.mesh_search import MeshSearch, face_of
from comps.animation.coach.image.repair import repair_image
from comps.animation.coach.image.subject import find_subject
from comps.animation.coach.image.view import FaceView, mesh_view
from comps.animation.engines.portrait.rig import finder
from comps.animation.engines.portrait.rig.finder import LazyMeshes
from comps.animation.engines.portrait.rig.mesh import LANDMARKS, FaceMesh, FindMeshes
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.errors import EngineUnavailableError
from tests.animation.coach import plants
from tests.animation.coach.meshes import MIXED, PICTURES, stand_in, stored
from tests.animation.coach.plants import png, presenter

BOTH = pytest.mark.parametrize("name", ["ada", "noor"])
PLAIN = {name: stored()[f"{name} plain"] for name in ("ada", "noor")}


def finds(name: str) -> FindMeshes:
    """Finds the stored mesh `name` in its picture."""
    return stand_in(stored()[name], size=PICTURES[name]().shape[:2])


def seen(name: str) -> FaceView:
    picture = PICTURES[name]()
    return mesh_view(picture, picture, stored()[name])


def rotated(mesh: FaceMesh, degrees: float) -> FaceMesh:
    return mesh.mapped(np.asarray(cv2.getRotationMatrix2D((300.0, 300.0), -degrees, 1.0), np.float64))


@BOTH
@pytest.mark.parametrize("yaw", [-20, 20])
def test_a_turn_is_told_within_three_degrees(name: str, yaw: int) -> None:
    before, after = (mesh_pose(stored()[f"{name} {kind}"]).head for kind in ("plain", f"turned {yaw:+d}"))
    assert after.yaw - before.yaw == pytest.approx(yaw, abs=3)
    assert after.pitch == pytest.approx(before.pitch, abs=3)
    assert after.roll == pytest.approx(before.roll, abs=3)


@BOTH
@pytest.mark.parametrize(("yaw", "pitch"), [(0, -15), (0, 15), *MIXED])
def test_a_nod_is_told_within_three_degrees(name: str, yaw: float, pitch: float) -> None:
    kind = f"turned {yaw:+.0f}, nods {pitch:+.0f}" if yaw else f"nods {pitch:+.0f}"
    before, after = (mesh_pose(stored()[f"{name} {made}"]).head for made in ("plain", kind))
    assert after.pitch - before.pitch == pytest.approx(pitch, abs=3)
    assert after.yaw - before.yaw == pytest.approx(yaw, abs=3)
    assert after.roll == pytest.approx(before.roll, abs=3)


@BOTH
@pytest.mark.parametrize("yaw", [-45, 45])
def test_a_head_turned_away_is_told(name: str, yaw: int) -> None:
    assert mesh_pose(stored()[f"{name} turned {yaw:+d}"]).head.yaw == pytest.approx(yaw, abs=8)


@BOTH
@pytest.mark.parametrize("degrees", [-150, -90, -40, 25, 90, 179])
def test_a_lean_is_told_whichever_way_up(name: str, degrees: int) -> None:
    before, after = mesh_pose(PLAIN[name]), mesh_pose(rotated(PLAIN[name], degrees))
    assert (after.head.roll - before.head.roll - degrees + 180) % 360 - 180 == pytest.approx(0, abs=0.5)
    assert after.head.yaw == pytest.approx(before.head.yaw, abs=0.5)
    assert after.unit == pytest.approx(before.unit, rel=0.01)


@BOTH
def test_lips_and_smile_are_those_that_were_drawn(name: str) -> None:
    unit = mesh_pose(PLAIN[name]).unit
    assert lip_gap(PLAIN[name], unit) < 0.02
    assert lip_gap(stored()[f"{name} open"], unit) > 0.1
    smiling = stored()[f"{name} smiling"]
    before, after = smile(PLAIN[name]), smile(smiling)
    assert before is not None
    assert after is not None
    assert before < 0.75 < after
    assert lip_curve(smiling, seen(f"{name} smiling").canvas, unit) > lip_curve(
        PLAIN[name], seen(f"{name} plain").canvas, unit
    )


def test_without_blend_shapes_there_is_no_smile() -> None:
    bare = FaceMesh(PLAIN["ada"].points)
    assert smile(bare) is None
    assert frown(bare) is None
    report = check_image(png(presenter("ada")[0]), find_meshes=stand_in(bare, size=presenter("ada")[0].shape[:2]))
    assert report.measured["measured_by"] == "landmarks"
    assert "smile" not in report.measured


@BOTH
def test_eyes_are_open_unless_shut_or_covered(name: str) -> None:
    assert open_eyes(PLAIN[name], seen(f"{name} plain").canvas) == 2
    assert open_eyes(stored()[f"{name} shut"], seen(f"{name} shut").canvas) == 0
    dark = plants.sunglasses(*presenter(name))
    assert open_eyes(PLAIN[name], mesh_view(dark, dark, PLAIN[name]).canvas) == 0


FOUND = {
    "plain": set(),
    "open": {"mouth_open"},
    "shut": {"eyes_unclear"},
    "smiling": {"face_smiling"},
    "turned +45": {"face_turned"},
    "turned -45": {"face_turned"},
    "turned +20": set(),
}


@BOTH
@pytest.mark.parametrize("kind", sorted(FOUND))
def test_findings_come_from_the_landmarks(name: str, kind: str) -> None:
    report = check_image(png(PICTURES[f"{name} {kind}"]()), find_meshes=finds(f"{name} {kind}"))
    assert report.codes() == FOUND[kind]
    assert report.measured["measured_by"] == "landmarks"
    assert report.measured["faces"] == 1


def test_a_mask_is_told_although_landmarks_see_lips_through_it() -> None:
    picture, rig = presenter("ada")
    report = check_image(png(plants.masked(picture, rig)), find_meshes=stand_in(PLAIN["ada"], size=picture.shape[:2]))
    assert report.codes() == {"mouth_hidden"}


def test_where_landmarks_see_nothing_the_embedded_checks_tell() -> None:
    data = png(presenter("noor")[0])
    report = check_image(data, find_meshes=lambda _: ())
    assert report == check_image(data)
    assert report.measured["measured_by"] == "embedded"


def test_landmarks_seen_from_afar_alone_do_not_count() -> None:
    picture = presenter("ada")[0]
    report = check_image(png(picture), find_meshes=lambda p: (PLAIN["ada"],) if p.shape == picture.shape else ())
    assert report.measured["measured_by"] == "embedded"


@pytest.mark.parametrize("spoilt", [float("nan"), float("inf"), 0.0, 1e6, 1e200])
def test_landmarks_without_a_place_do_not_count(spoilt: float) -> None:
    """A network may answer with no numbers, or with one point for all."""
    picture = presenter("ada")[0]
    broken = FaceMesh(PLAIN["ada"].points * spoilt, PLAIN["ada"].shapes)
    assert check_image(png(picture), find_meshes=lambda _: (broken,)) == check_image(png(picture))


def near_only(mesh: FaceMesh) -> FindMeshes:
    """As the landmarker does with a face that lies or is small: blind to the whole picture, not to the face from near."""
    find = stand_in(mesh, size=(1, 1))
    return lambda picture: find(picture) if picture.shape == (512, 512, 3) else ()


def test_a_face_on_its_side_is_looked_at_upright() -> None:
    lying = np.ascontiguousarray(np.rot90(presenter("ada")[0]))
    side = lying.shape[0] - 1.0
    mesh = PLAIN["ada"].mapped(np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, side]]))
    report = check_image(png(lying), find_meshes=near_only(mesh))
    assert report.measured["measured_by"] == "landmarks"
    assert report.codes() == {"face_sideways"}
    assert report.measured["roll"] == pytest.approx(-90, abs=3)
    mended = repair_image(png(lying), find_meshes=near_only(mesh))
    assert mended.steps[0] == "turned by 90 degrees"


def test_a_mesh_upside_down_does_not_count_without_a_clear_mouth() -> None:
    """A landmarker lays a mesh into anything that is taken for a face."""
    picture, rig = presenter("ada")
    masked, mesh = plants.masked(picture, rig), PLAIN["ada"]
    turned = rotated(mesh, 180).points
    over = FaceMesh(turned + (mesh.eyes.mean(0) - FaceMesh(turned, {}).eyes.mean(0)), mesh.shapes)
    looks = iter([stand_in(mesh, size=picture.shape[:2])] * 2)
    report = check_image(png(masked), find_meshes=lambda shown: next(looks, stand_in(over, size=(1, 1)))(shown))
    assert "face_sideways" not in report.codes()
    assert "mouth_hidden" in report.codes()


@BOTH
def test_light_is_measured_inside_the_landmarks(name: str) -> None:
    """Beside the far cheek of a turned head there is hair or wall."""
    view = seen(f"{name} turned +45")
    assert view.mesh is not None
    hull = cv2.convexHull(view.canvas.to_canvas(view.mesh.points).astype(np.float32))
    rows, columns = np.nonzero(view.area)
    outside = [cv2.pointPolygonTest(hull, (float(x), float(y)), True) for x, y in zip(columns, rows, strict=True)]
    assert min(outside) > -1.5
    assert view.area.sum() < seen(f"{name} plain").area.sum()


def test_one_face_found_twice_is_one_face() -> None:
    picture = presenter("ada")[0]
    search = MeshSearch(picture, stand_in(PLAIN["ada"], PLAIN["ada"], size=picture.shape[:2]))
    assert len(search.whole()) == 1


def test_a_face_comes_back_where_it_was_from_the_reduced_picture() -> None:
    picture = plants.scaled(presenter("ada")[0], 3000)
    large = PLAIN["ada"].mapped(np.diag([1.0, 1.0, 0.0])[:2] * (3000 / max(presenter("ada")[0].shape)))
    (mesh,) = MeshSearch(picture, stand_in(large, size=picture.shape[:2])).whole()
    assert np.abs(mesh.points - large.points).max() < 0.01
    assert mesh.points.shape == (LANDMARKS, 2)


@pytest.mark.parametrize("has_mesh", [True, False])
def test_what_the_cascades_see_beside_counts_if_it_has_a_mesh(has_mesh: bool) -> None:
    picture = plants.beside(presenter("ada")[0], presenter("noor")[0])
    shift = np.array([[1.0, 0.0, float(presenter("ada")[0].shape[1])], [0.0, 1.0, 0.0]])
    second = PLAIN["noor"].mapped(shift)
    first = stand_in(PLAIN["ada"], size=picture.shape[:2])
    # The whole picture, then each face from near: Ada, whom the landmarks see at once, and Noor, whom the cascades do.
    looks = iter([first, first, stand_in(second, size=(1, 1)) if has_mesh else lambda _: ()])
    faces = find_subject(picture, lambda shown: next(looks)(shown)).sighting.faces
    assert len(faces) == (2 if has_mesh else 1)
    beside = [np.hypot(*(face.centre - face_of(second).centre)) < second.eye_distance for face in faces]
    assert any(beside) == has_mesh


def test_the_landmarker_is_loaded_once_and_late(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []

    def load(path: Path, *, shapes: bool) -> FindMeshes:
        assert shapes
        loaded.append(path)
        return lambda _: (PLAIN["ada"],)

    monkeypatch.setattr(finder, "_module", lambda: SimpleNamespace(MediaPipeMeshes=load))
    find = LazyMeshes(Path("some.task"))
    assert loaded == []
    threads = [threading.Thread(target=find, args=(np.zeros((8, 8, 3), np.uint8),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == [Path("some.task")]


def test_a_missing_landmarker_is_said_and_not_taken_for_no_face(tmp_path: Path) -> None:
    coach = Coach(find_meshes=LazyMeshes(tmp_path / "no_such.task"))
    with pytest.raises(EngineUnavailableError, match=r"mediapipe|landmarker"):
        coach.check(Inputs(image=png(presenter("ada")[0])))


def test_the_service_gives_the_coach_the_landmarker_of_its_settings(tmp_path: Path) -> None:
    settings = AnimationSettings(data_dir=tmp_path, face_landmarker=tmp_path / "no_such.task")
    coach = create_app(settings).state.coach_desk.coach
    with pytest.raises(EngineUnavailableError):
        coach.check(Inputs(image=png(presenter("ada")[0])))


TASK = Path(os.environ.get("AVATAR_FACE_LANDMARKER") or "none")
HERE = importlib.util.find_spec("mediapipe") is not None and TASK.is_file()
REAL = pytest.mark.skipif(not HERE, reason="needs the extra mediapipe and AVATAR_FACE_LANDMARKER")


@REAL
@BOTH
@pytest.mark.parametrize("kind", sorted(FOUND))
def test_mediapipe_finds_what_is_stored(name: str, kind: str) -> None:
    picture = PICTURES[f"{name} {kind}"]()
    report = check_image(png(picture), find_meshes=LazyMeshes(TASK))
    assert report.codes() == FOUND[kind]
    (mesh,) = MeshSearch(picture, LazyMeshes(TASK)).whole()
    apart = np.linalg.norm(mesh.points - stored()[f"{name} {kind}"].points, axis=1).mean()
    assert apart < 0.03 * mesh.eye_distance


@REAL
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_mediapipe_is_not_taken_in_by_a_face_on_its_side_or_head(turns: int) -> None:
    report = check_image(png(np.ascontiguousarray(np.rot90(presenter("noor")[0], turns))), find_meshes=LazyMeshes(TASK))
    assert "face_sideways" in report.codes()
    assert (float(report.measured["roll"]) + 90 * turns + 180) % 360 - 180 == pytest.approx(0, abs=3)
