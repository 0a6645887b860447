"""Where faces are aligned, frame after frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("torch")

from comps.animation.engines.gfpgan.align import TEMPLATE
from comps.animation.engines.gfpgan.tracking import FaceTrack
from comps.animation.faces.face import DetectedFace, Picture

pytestmark = pytest.mark.torch
SIZE = (300, 400)
FRAME = np.zeros((*SIZE, 3), np.uint8)


def face(x: float, y: float, eyes: float = 60.0, noise: np.ndarray | float = 0.0) -> DetectedFace:
    """A face around (x, y)."""
    scale = eyes / float(np.hypot(*(TEMPLATE[1] - TEMPLATE[0])))
    points = ((TEMPLATE - TEMPLATE.mean(0)) * scale + [x, y] + noise).astype(np.float32)
    return DetectedFace(np.array([x - eyes, y - eyes, x + eyes, y + eyes], np.float32), 1.0, points)


class Script:
    """A detector that finds what a list says, frame by frame."""

    def __init__(self, *frames: list[DetectedFace]) -> None:
        self._frames = list(frames)
        self.calls = 0

    def __call__(self, pictures: Sequence[Picture]) -> list[list[DetectedFace]]:
        self.calls += len(pictures)
        return [self._frames.pop(0) for _ in pictures]


def follow(script: Script, groups: Sequence[int], *, still: bool = False, only_centre: bool = True) -> list[list]:
    track = FaceTrack(script, still=still, only_centre=only_centre)
    return [matrices for count in groups for matrices in track.follow([FRAME] * count)]


def test_a_still_face_is_searched_until_it_is_found_once() -> None:
    script = Script([], [face(200, 150)])
    placed = follow(script, [3, 2], still=True)
    assert [len(matrices) for matrices in placed] == [0, 1, 1, 1, 1]
    assert script.calls == 2
    assert all(matrices[0] is placed[1][0] for matrices in placed[1:])


def test_a_trembling_face_comes_to_rest() -> None:
    random = np.random.default_rng(1)
    shown = [[face(200, 150, noise=random.normal(0, 1.5, (5, 2)))] for _ in range(60)]
    raw = [follow(Script(faces), [1])[0][0] for faces in shown]
    smooth = [matrices[0] for matrices in follow(Script(*shown), [60])]

    def tremble(matrices: list[np.ndarray]) -> float:
        return float(np.abs(np.diff([matrix[:, 2] for matrix in matrices[20:]], axis=0)).mean())

    assert tremble(smooth) < 0.4 * tremble(raw)


def test_a_moving_face_is_followed_closely() -> None:
    shown = [[face(100 + 4 * index, 150)] for index in range(40)]
    last = follow(Script(*shown), [40])[-1][0]
    centre = last[:, :2] @ np.array([100 + 4 * 39, 150]) + last[:, 2]
    assert np.hypot(*(centre - TEMPLATE.mean(0))) < 0.25 * 126


def test_the_grouping_of_frames_changes_nothing() -> None:
    random = np.random.default_rng(2)
    shown = [[face(150 + 2 * i, 150, noise=random.normal(0, 1, (5, 2)))] for i in range(12)]
    one = follow(Script(*shown), [1] * 12)
    many = follow(Script(*shown), [5, 7])
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a[0], b[0])


def test_a_lost_face_is_not_held_and_begins_anew() -> None:
    placed = follow(Script([face(100, 100)], [], [face(200, 200)]), [3])
    assert [len(matrices) for matrices in placed] == [1, 0, 1]
    fresh = follow(Script([face(200, 200)]), [1])[0][0]
    np.testing.assert_array_equal(placed[2][0], fresh)


def test_a_jump_to_another_face_is_not_smoothed() -> None:
    placed = follow(Script([face(80, 100)], [face(300, 200)]), [2])
    np.testing.assert_array_equal(placed[1][0], follow(Script([face(300, 200)]), [1])[0][0])


def test_only_the_middle_face_counts_or_each_keeps_its_own_track() -> None:
    left, right = face(80, 150), face(230, 150)
    (middle,) = follow(Script([left, right]), [1])
    np.testing.assert_array_equal(middle[0], follow(Script([right]), [1])[0][0])
    first, second = follow(Script([left, right], [right, left]), [2], only_centre=False)
    np.testing.assert_allclose(first[0], second[1], atol=1e-6)
    np.testing.assert_allclose(first[1], second[0], atol=1e-6)


def test_tiny_faces_do_not_count() -> None:
    assert follow(Script([face(200, 150, eyes=4.0)]), [1]) == [[]]
