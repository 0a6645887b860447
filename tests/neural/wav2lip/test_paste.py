"""The face goes into its frame: exactly as the original does it, or without a trace of an edge."""

from __future__ import annotations

import numpy as np
import pytest

from comps.animation.engines.wav2lip.paste import MOST_SHIFT, Paster, colour_matched, lower_face
from comps.animation.engines.wav2lip.picture import cropped, network_input
from tests.neural.parity import fixture


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """An RGB frame, the box (x1, y1, x2, y2) of its face, the face, and what a network made of it."""
    arrays = fixture("wav2lip_post")
    y1, y2, x1, x2 = arrays["box_y1y2x1x2"]
    frame = np.ascontiguousarray(arrays["frame_u8"][..., ::-1])
    box = np.array([x1, y1, x2, y2])
    drawn = (arrays["pred"][::-1].transpose(1, 2, 0) * np.float32(255)).astype(np.uint8)
    return frame, box, cropped(frame, box), np.ascontiguousarray(drawn)


def test_crop_and_hard_paste_are_the_originals() -> None:
    frame, box, face, drawn = scene()
    assert (face[..., ::-1] == fixture("wav2lip_post")["face_96_u8"]).all()
    Paster("hard").paste(frame, box, drawn, face)
    assert (frame[..., ::-1] == fixture("wav2lip_post")["pasted_u8"]).all()


def test_the_network_sees_a_half_hidden_face_and_the_whole_one() -> None:
    face = fixture("wav2lip")["face_u8"]
    six = network_input(np.ascontiguousarray(face[..., ::-1]))
    assert six.shape == (2, 6, 96, 96)
    assert (six[:, :3, 48:] == 0).all()
    assert (six[:, :3, :48] == six[:, 3:, :48]).all()
    assert (six[:, 3:] == face.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)).all()


def test_feathering_changes_the_lower_face_only_and_has_no_edge() -> None:
    frame, box, face, drawn = scene()
    before = frame.copy()
    Paster().paste(frame, box, drawn, face)
    x1, y1, x2, y2 = box
    changed = np.abs(frame.astype(int) - before).max(axis=2)
    assert changed[y1:y2, x1:x2][int(0.65 * (y2 - y1)) :].max() > 20
    changed[y1 + int(0.4 * (y2 - y1)) : y2, x1:x2] = 0
    assert changed.max() == 0
    mask = lower_face(x2 - x1, y2 - y1)
    edges = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert edges.max() < 0.02
    assert np.abs(np.diff(mask, axis=0)).max() < 0.2
    assert np.abs(np.diff(mask, axis=1)).max() < 0.2
    assert mask[int(0.75 * len(mask)), mask.shape[1] // 2] == 1


def test_a_face_drawn_as_it_was_leaves_no_seam() -> None:
    """The frame's own face, made darker as a whole, is put back within a level of what was there."""
    frame, box, face, _ = scene()
    soft = np.stack([np.clip(np.linspace(60, 180, 96)[None] + np.linspace(0, 30, 96)[:, None], 0, 255)] * 3, axis=2)
    x1, y1, x2, y2 = box
    import cv2

    frame[y1:y2, x1:x2] = cv2.resize(soft.astype(np.uint8), (int(x2 - x1), int(y2 - y1)))
    before, face = frame.copy(), cropped(frame, box)
    darker = (face.astype(int) - 9).clip(0).astype(np.uint8)
    Paster().paste(frame, box, darker, face)
    assert np.abs(frame.astype(int) - before).max() <= 2


def test_colours_are_matched_only_so_far() -> None:
    face = np.full((96, 96, 3), 150, np.uint8)
    assert np.abs(colour_matched(face - 10, face).astype(int) - 150).max() == 0
    assert (colour_matched(face - 100, face) == 50 + MOST_SHIFT).all()


@pytest.mark.parametrize("mode", ["feathered", "hard"])
def test_strength_zero_leaves_the_frame_as_it_is(mode: str) -> None:
    frame, box, face, drawn = scene()
    before = frame.copy()
    Paster(mode).paste(frame, box, drawn, face, 0.0)  # type: ignore[arg-type]
    assert (frame == before).all()
