"""Boxes: padded, smoothed and filled in."""

from __future__ import annotations

import numpy as np
import pytest

from comps.animation.engines.wav2lip.boxes import (
    Pads,
    checked,
    filled,
    padded,
    scaled,
    smoothed,
    smoothed_as_original,
)
from comps.core.errors import FaceError
from tests.neural.parity import fixture


@pytest.mark.parametrize("count", [1, 3, 4, 5, 6, 12])
def test_parity_smoothing_is_the_originals(count: int) -> None:
    arrays = fixture("wav2lip_post")
    given = arrays[f"boxes_in_{count}"]
    kept = given.copy()
    assert (smoothed_as_original(given) == arrays[f"boxes_smooth_{count}"]).all()
    assert (given == kept).all()


def test_smoothing_takes_out_jitter_and_brings_no_lag() -> None:
    at = np.arange(40)
    true = np.stack([100 + 3 * at, 50 + 2 * at, 200 + 3 * at, 180 + 2 * at], axis=1)
    jitter = np.random.default_rng(3).integers(-6, 7, true.shape)
    assert (smoothed(true) == true).all()
    assert np.abs(smoothed(true + jitter) - true).mean() < 0.6 * np.abs(jitter).mean()
    assert smoothed(true[:1]).tolist() == true[:1].tolist()
    assert smoothed(true[:0]).shape == (0, 4)


def test_pads_grow_a_box_up_to_the_edges_of_the_picture() -> None:
    boxes = np.array([[10.9, 20.2, 50.7, 60.9], [-5.0, 0.0, 96.0, 99.5]])
    assert padded(boxes, Pads(1, 10, 2, 3), (100, 100)).tolist() == [[8, 19, 53, 70], [0, 0, 99, 100]]


def test_a_lost_face_is_looked_for_between_its_neighbours() -> None:
    first, last = np.array([0.0, 0, 10, 10]), np.array([30.0, 60, 40, 70])
    boxes, lost = filled([None, first, None, None, last, None])
    assert lost == {0, 2, 3, 5}
    assert boxes[:, 0].tolist() == [0, 0, 10, 20, 30, 30]
    assert boxes[:, 3].tolist() == [10, 10, 30, 50, 70, 70]


def test_a_face_lost_in_all_frames_is_an_error() -> None:
    with pytest.raises(FaceError, match="no frame"):
        filled([None, None])


def test_a_box_without_room_for_a_face_is_an_error() -> None:
    with pytest.raises(FaceError):
        checked(np.array([[0, 0, 100, 100], [5, 5, 9, 100]]))


def test_boxes_follow_the_picture_they_are_in() -> None:
    assert scaled(np.array([[10.0, 20, 30, 40]]), 2.0, (5.0, 10.0)).tolist() == [[10, 20, 50, 60]]
