"""Avatars made ready to be drawn: pictures and films, with a box for every frame."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from comps.animation.avatars import PRESENTERS
from comps.animation.engine import Avatar
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.engines.wav2lip.boxes import Pads
from comps.animation.engines.wav2lip.compositor import Compositor, to_yuv
from comps.animation.engines.wav2lip.paste import Paster
from comps.animation.engines.wav2lip.rest import Rest
from comps.animation.engines.wav2lip.scene import SceneOptions, SceneReader, make_scene, mouth_is_shut, rig_box
from comps.animation.faces.face import DetectedFace, FaceDetector, Picture
from comps.animation.faces.haar import HaarDetector
from comps.core.errors import FaceError
from tests.neural.wav2lip.conftest import FRAMES, shift


class Scripted(FaceDetector):
    """Finds in the k-th picture it sees the boxes it was told."""

    def __init__(self, boxes: Sequence[Sequence[Sequence[float]]]) -> None:
        self.boxes, self.seen = boxes, 0

    def detect(self, pictures: Sequence[Picture]) -> list[list[DetectedFace]]:
        found = []
        for _ in pictures:
            boxes = self.boxes[self.seen % len(self.boxes)]
            found.append([DetectedFace(np.array(box, np.float32), 1.0) for box in boxes])
            self.seen += 1
        return found


@pytest.mark.parametrize("name", ["ada", "noor"])
def test_the_box_of_a_picture_holds_the_face_with_its_chin(name: str) -> None:
    folder = PRESENTERS / name
    rig = Rig.load(folder / "rig.json")
    x1, y1, x2, y2 = rig_box(rig)
    points = rig.points
    assert ((points >= [x1, y1]) & (points <= [x2, y2])).all()
    mouth = (rig.group("lips_inner").mean(0) - [x1, y1]) / [x2 - x1, y2 - y1]
    # the network draws the lower half, and has seen mouths about there
    assert 0.35 < mouth[0] < 0.65
    assert 0.6 < mouth[1] < 0.85


def test_a_picture_is_framed_as_other_engines_frame_it(ada: Avatar) -> None:
    scene = make_scene(ada, SceneOptions(256, Pads(bottom=0)), HaarDetector())
    rig = Rig.load(ada.rig)
    assert scene.picture is not None
    assert scene.picture.shape == (scene.height, scene.width, 3)
    assert max(scene.width, scene.height) == 256
    factor = 256 / max(rig.size)
    np.testing.assert_allclose(scene.boxes[0], rig_box(rig) * factor, atol=1.01)
    assert (scene.index(0, 25), scene.index(77, 25)) == (0, 0)


def test_an_explicit_box_replaces_looking_for_a_face(ada: Avatar) -> None:
    width = Rig.load(ada.rig).size[0]
    half = SceneOptions(width // 2, Pads(9, 9, 9, 9), box=(100, 300, 200, 420))
    scene = make_scene(ada, half, Scripted([[]]))
    np.testing.assert_allclose(scene.boxes[0], np.array([200, 100, 420, 300]) * 0.5, atol=1)


def test_a_box_outside_the_picture_is_an_error(ada: Avatar) -> None:
    with pytest.raises(FaceError):
        make_scene(ada, SceneOptions(256, box=(5000, 5100, 0, 100)), Scripted([[]]))


def test_a_picture_in_which_the_given_detector_sees_nobody_is_an_error(ada: Avatar) -> None:
    with pytest.raises(FaceError):
        make_scene(ada, SceneOptions(256), Scripted([[]]), rigs=False)


def test_a_films_boxes_follow_the_face_and_bridge_where_it_is_lost(film_avatar: Avatar) -> None:
    scene = make_scene(film_avatar, SceneOptions(256), HaarDetector())
    assert len(scene) == FRAMES
    assert (scene.width, scene.height, scene.fps) == (256, 256, 25)
    assert scene.lost >= {10, 11, 12}
    middles = (scene.boxes[:, :2] + scene.boxes[:, 2:]) / 2
    moved = np.array([shift(k) for k in range(FRAMES)])
    # the drawn face is found within a few pixels, also where its neighbours tell where it must be
    assert np.abs((middles - middles[0]) - (moved - moved[0])).max() < 9
    assert np.abs(np.diff(middles, axis=0)).max() < 6


def test_the_faces_of_a_film_are_looked_for_once(film_avatar: Avatar, tmp_path: Path) -> None:
    detector = Scripted([[[50, 50, 150, 170]]])
    first = make_scene(film_avatar, SceneOptions(256), detector)
    again = make_scene(film_avatar, SceneOptions(128), detector)
    assert detector.seen == FRAMES
    assert np.abs(again.boxes * 2 - first.boxes).max() <= 12  # pads are pixels of the video
    notes = tmp_path / "faces-scripted.json"
    notes.write_text(json.dumps([[1, 2]]))
    make_scene(film_avatar, SceneOptions(256), detector)
    assert detector.seen == 2 * FRAMES


def test_another_face_further_off_is_not_taken_for_the_lost_one(film_avatar: Avatar) -> None:
    here, there = [50, 50, 100, 120], [180, 60, 230, 130]
    boxes = [[here, there], [there], [there, here], [], *([[here]] * (FRAMES - 4))]
    scene = make_scene(film_avatar, SceneOptions(256, Pads(bottom=0), smooth="none"), Scripted(boxes))
    assert (scene.boxes == here).all()
    assert scene.lost == {1, 3}


def test_a_film_without_any_face_is_an_error(film_avatar: Avatar) -> None:
    with pytest.raises(FaceError, match="no frame"):
        make_scene(film_avatar, SceneOptions(256), Scripted([[]]))


def test_static_shows_a_films_picture_only(film_avatar: Avatar) -> None:
    scene = make_scene(film_avatar, SceneOptions(256, static=True), HaarDetector())
    assert len(scene) == 1
    assert scene.picture is not None


def test_a_film_is_played_there_and_back_at_its_own_pace(film_avatar: Avatar) -> None:
    scene = make_scene(film_avatar, SceneOptions(256), Scripted([[[50, 50, 150, 170]]]))
    assert [scene.index(k, 25) for k in (0, 29, 30, 58, 59)] == [0, 29, 28, 0, 1]
    assert [scene.index(k, 50) for k in range(6)] == [0, 0, 1, 1, 2, 2]


def test_a_film_can_begin_again_as_in_the_original(film_avatar: Avatar) -> None:
    scene = make_scene(film_avatar, SceneOptions(256, loop="repeat"), Scripted([[[50, 50, 150, 170]]]))
    assert [scene.index(k, 25) for k in (0, 29, 30, 58, 60)] == [0, 29, 0, 28, 0]


def test_a_film_keeps_its_own_motion_outside_the_box(film_avatar: Avatar) -> None:
    scene = make_scene(film_avatar, SceneOptions(256), Scripted([[[60, 60, 120, 140]]]))
    compositor, reader = Compositor(scene, Paster()), SceneReader(scene)
    indices = [0, 5, 20]
    faces = [compositor.face(index) for index in indices]
    green = np.zeros((96, 96, 3), np.uint8)
    green[..., 1] = 255
    frames = compositor.compose(indices, [green] * 3, faces, [1.0] * 3)
    for frame, index in zip(frames, indices, strict=True):
        own = to_yuv(reader.picture(index))
        changed = frame[:256] != own[:256]
        x1, y1, x2, y2 = scene.boxes[index]
        assert changed[y1:y2, x1:x2].any()
        changed[y1:y2, x1:x2] = False
        assert not changed.any()
    compositor.close()
    reader.close()


def test_a_still_frame_with_nothing_drawn_is_the_picture(ada: Avatar) -> None:
    scene = make_scene(ada, SceneOptions(128), HaarDetector())
    compositor = Compositor(scene, Paster())
    face = compositor.face(0)
    frames = compositor.compose([0, 0], [None, face], [face, face], [0.0, 0.0])
    assert scene.picture is not None
    assert (frames == to_yuv(scene.picture)).all()


def test_a_reader_closed_while_it_reads_lets_go_of_its_file(film_avatar: Avatar) -> None:
    scene = make_scene(film_avatar, SceneOptions(256), Scripted([[[50, 50, 150, 170]]]))
    reader = SceneReader(scene)

    def read() -> None:
        with suppress(RuntimeError):
            for k in (0, 15, 29):
                reader.picture(k)

    thread = threading.Thread(target=read)
    try:
        thread.start()
        reader.close()
    finally:
        thread.join()
    with pytest.raises(RuntimeError):
        reader.picture(3)
    assert reader._footage is None


def test_an_open_mouth_does_not_rest(ada: Avatar) -> None:
    rig = Rig.load(ada.rig)
    assert mouth_is_shut(rig)
    points = rig.points.copy()
    points[[65, 66, 67], 1] += 0.2 * np.linalg.norm(points[60] - points[64])
    assert not mouth_is_shut(replace(rig, points=points))


def test_rest_fades_in_and_out_without_jumps() -> None:
    rest = Rest(25)
    silent = rest.strengths(np.array([True] * 4))
    speaking = rest.strengths(np.array([False] * 8))
    after = rest.strengths(np.array([True] * 8))
    assert silent == [0.0] * 4
    np.testing.assert_allclose(speaking, [0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])
    np.testing.assert_allclose(after, [0.8, 0.6, 0.4, 0.2, 0, 0, 0, 0], atol=1e-9)
