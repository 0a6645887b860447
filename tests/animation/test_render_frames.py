"""Frames of the shipped presenter: what moves, what does not, and what is seen in the mouth."""

from __future__ import annotations

import numpy as np
import pytest

from comps.animation.engines.portrait.render import face as faces_module
from comps.animation.engines.portrait.render.lips import meet
from comps.animation.engines.portrait.render.planes import double, to_planes, to_yuv
from comps.animation.engines.portrait.render.renderer import Renderer
from comps.animation.motion.emotion import EMOTIONS, mood
from comps.animation.motion.face_motion import ARKIT_NAMES, FaceMotion
from tests.animation.faces import draw, face, picture, pose, rig

REST = draw(pose())
ANATOMY = face().anatomy
UNIT = ANATOMY.unit


def _around(local: tuple[float, float], reach: float = 0.25) -> tuple[slice, slice]:
    """Pixels within `reach` units of a point in face axes."""
    x, y = ANATOMY.place(np.array([local]))[0]
    r = reach * UNIT
    return slice(int(y - r), int(y + r)), slice(int(x - r), int(x + r))


def _changed(frame: np.ndarray, where: tuple[slice, slice]) -> float:
    return float(np.abs(frame - REST)[where].mean())


MOUTH, RIGHT_EYE, LEFT_EYE = _around((0, 0.05)), _around((-0.5, -1.0)), _around((0.5, -1.0))


def test_at_rest_the_frame_is_the_picture() -> None:
    shown = faces_module.framing.choose(rig(), 256).cut(picture())
    frame = Renderer(face()).render(pose())[0]
    planes = to_planes(shown)
    np.testing.assert_allclose(frame[:256].astype(int), planes.luma, atol=1)
    colour = frame[256:].reshape(2, 128, 128)
    np.testing.assert_allclose(colour[0].astype(int), planes.chroma[..., 0], atol=1)
    np.testing.assert_allclose(colour[1].astype(int), planes.chroma[..., 1], atol=1)


def test_an_open_mouth_is_dark_with_teeth_above() -> None:
    frame = draw(pose(jawOpen=0.6, mouthUpperUp=0.3))
    inside = frame[_around((0, 0.11), 0.03)]
    teeth = frame[_around((0, 0.0), 0.025)]
    assert inside.mean() < 60
    assert teeth.mean() > 110


def test_shut_lips_stay_shut_whatever_the_jaw_does() -> None:
    shut = draw(pose(jawOpen=0.4, mouthClose=0.4))
    assert shut[_around((0, 0.1), 0.12)].min() > REST[MOUTH].min() - 12


def test_a_bilabial_hardly_differs_from_lips_at_rest() -> None:
    assert _changed(draw(pose(jawOpen=0.05, mouthClose=0.05, mouthPress=0.4)), MOUTH) < 12


def test_rounding_narrows_and_spreading_widens_the_mouth() -> None:
    field, curve = face().field, face().anatomy.upper

    def width(**weights: float) -> float:
        motion = pose(**weights)
        edges = Renderer(face())._edges(_channels(motion))[0]
        return float(np.ptp(edges.upper[:, 0]))

    def _channels(motion: FaceMotion) -> np.ndarray:
        columns = [ARKIT_NAMES.index(name) for name in field.names if name in ARKIT_NAMES]
        seal = np.zeros((1, 1), np.float32)
        return np.concatenate([motion.weights[:, columns], seal, motion.head], 1)

    rest = float(np.ptp(curve[:, 0]))
    assert width(mouthPucker=0.8) < 0.85 * rest
    assert width(mouthStretch=0.6) > 1.08 * rest


def test_speech_moves_the_mouth_and_leaves_eyes_and_corners_of_the_picture() -> None:
    frame = draw(pose(jawOpen=0.5))
    assert _changed(frame, MOUTH) > 10
    assert _changed(frame, RIGHT_EYE) < 0.5
    for corner in ((slice(0, 24), slice(0, 24)), (slice(0, 24), slice(-24, None)), (slice(-24, None), slice(0, 24))):
        assert _changed(frame, corner) == 0


def test_a_blink_shuts_its_own_eye_only() -> None:
    frame = draw(pose(eyeBlinkLeft=1.0))
    assert _changed(frame, LEFT_EYE) > 8
    assert _changed(frame, RIGHT_EYE) < 0.5
    # Skin where the dark pupil was.
    x, y, radius = ANATOMY.irises[1]
    eye = slice(int(y - radius / 2), int(y + radius / 2)), slice(int(x - radius / 2), int(x + radius / 2))
    assert frame[eye].mean() > REST[eye].mean() + 40


def test_lids_open_again() -> None:
    renderer = Renderer(face())
    shut, rest = pose(eyeBlink=1.0), pose()
    frames = renderer.render(rest.then(shut).then(rest))
    np.testing.assert_array_equal(frames[0], frames[2])
    assert (frames[0] != frames[1]).any()


def test_a_lid_half_way_lies_between() -> None:
    levels = [draw(pose(eyeBlink=share))[RIGHT_EYE] for share in (0.0, 0.5, 1.0)]
    halfway = np.abs(levels[1] - levels[0]).mean()
    assert 0 < halfway < np.abs(levels[2] - levels[0]).mean() * 1.1


def test_eyes_glance() -> None:
    frame = draw(pose(gaze=(10.0, 0.0)))
    assert _changed(frame, RIGHT_EYE) > 1
    assert _changed(frame, MOUTH) < 0.1


def test_brows_rise() -> None:
    frame = draw(pose(browInnerUp=0.8, browOuterUp=0.8))
    assert _changed(frame, _around((-0.5, -1.32), 0.12)) > 3
    assert _changed(frame, MOUTH) < 0.1


@pytest.mark.parametrize(
    ("head", "towards"),
    [((6, 0, 0, 0, 0, 0), (1, 0)), ((-6, 0, 0, 0, 0, 0), (-1, 0)), ((0, -6, 0, 0, 0, 0), (0, 1)), ((0, 6, 0, 0, 0, 0), (0, -1)),
     ((0, 0, 0, 0.1, 0, 0), (1, 0)), ((0, 0, 0, 0, 0.1, 0), (0, -1)), ((0, 0, 5, 0, 0, 0), (1, 0))],
)  # fmt: skip
def test_the_head_moves_the_way_it_is_told(head: tuple[float, ...], towards: tuple[int, int]) -> None:
    rows, columns = _around((0, -0.4), 0.5)
    frame = draw(pose(head=head))
    best = max(
        ((dx, dy) for dx in range(-8, 9, 2) for dy in range(-8, 9, 2)),
        key=lambda s: -np.abs(np.roll(REST, (s[1], s[0]), (0, 1))[rows, columns] - frame[rows, columns]).mean(),
    )
    assert np.dot(best, towards) > 0


def test_turning_the_head_leaves_the_background() -> None:
    frame = draw(pose(head=(5, -5, 0, 0, 0, 0)))
    assert _changed(frame, (slice(0, 20), slice(0, 20))) == 0
    assert _changed(frame, (slice(0, 20), slice(-20, None))) == 0


def test_every_shape_at_full_weight_gives_a_frame() -> None:
    names = [name for name in ARKIT_NAMES if not name.startswith(("eyeLook", "jawForward", "tongue"))]
    motion = pose(**{names[0]: 1.0})
    for name in names[1:]:
        motion = motion.then(pose(**{name: 1.0}))
    frames = Renderer(face()).render(motion)
    assert len(frames) == len(names)
    rest = Renderer(face()).render(pose())[0]
    still = [name for name, frame in zip(names, frames, strict=True) if (frame == rest).all()]
    assert still == []


def test_a_smile_deepens_the_folds_beside_the_mouth() -> None:
    folds, luma = face().folds, face().source.luma
    shaded = luma.copy()
    folds.deepen(luma, shaded, pose(mouthSmile=0.6).weights[0])
    taken = (luma.astype(int) - shaded)[::2, ::2]
    assert taken.min() == 0
    assert taken[_around((-0.48, 0.0), 0.06)].mean() > 2
    assert taken[_around((0.48, 0.0), 0.06)].mean() > 2
    assert taken[_around((0, 0.4), 0.1)].max() == 0
    folds.deepen(luma, shaded, pose().weights[0])
    np.testing.assert_array_equal(shaded, luma)


def test_moods_keep_a_silent_mouth_shut() -> None:
    for name in EMOTIONS:
        motion = FaceMotion(0, 25, mood(name)[None], np.zeros((1, 6), np.float32), np.zeros((1, 2), np.float32))
        renderer = Renderer(face())
        channels = np.concatenate([motion.weights[:, renderer._columns], np.zeros((1, 7), np.float32)], 1)
        assert renderer._edges(channels)[0].gap < 0.01 * UNIT


def test_rendering_in_pieces_is_rendering_at_once() -> None:
    motion = pose(jawOpen=0.3).then(pose(eyeBlink=1.0)).then(pose(head=(3, 0, 0, 0, 0, 0)))
    once = Renderer(face()).render(motion)
    renderer = Renderer(face())
    pieces = np.concatenate([renderer.render(motion[:1]), renderer.render(motion[1:])])
    np.testing.assert_allclose(pieces.astype(int), once, atol=1)


def test_no_frames_are_an_empty_batch() -> None:
    assert Renderer(face()).render(pose()[:0]).shape == (0, 384, 256)


def test_pressed_lips_share_a_line() -> None:
    upper = np.array([(0, 0), (5, 2), (10, 0)], np.float32)
    lower = np.array([(0, 0), (5, 0), (10, 0)], np.float32)
    edges = meet(upper, lower, np.array([0, 1], np.float32))
    np.testing.assert_array_equal(edges.upper, edges.lower)
    assert edges.upper[1].tolist() == [5, 1]
    assert edges.gap == 0


def test_planes_hold_video_colours() -> None:
    grey = to_planes(np.full((4, 6, 3), 128, np.uint8))
    assert grey.luma.shape == (4, 6)
    assert grey.chroma.shape == (2, 3, 2)
    assert abs(int(grey.luma[0, 0]) - 126) <= 1
    assert (np.abs(grey.chroma.astype(int) - 128) <= 1).all()
    np.testing.assert_allclose(to_yuv(np.array([255.0, 255.0, 255.0])), [235, 128, 128], atol=0.5)


def test_a_doubled_plane_keeps_its_pixels() -> None:
    plane = np.random.default_rng(1).integers(0, 255, (10, 14), np.uint8)
    large = double(plane)
    assert large.shape == (20, 28)
    np.testing.assert_array_equal(large[::2, ::2], plane)


def test_a_drifting_head_stays_as_sharp() -> None:
    rows, columns = _around((0, -0.9), 0.5)
    detail = []
    for step in range(5):
        frame = draw(pose(head=(0, 0, 0, step * 0.25 / UNIT, 0, 0)))
        detail.append(float(np.abs(np.diff(frame[rows, columns], axis=1)).mean()))
    assert min(detail) > 0.9 * max(detail)


def test_a_shut_lid_is_skin_like_that_above_it_with_dark_lashes_below() -> None:
    anatomy = face(512).anatomy
    shut, open_ = draw(pose(eyeBlink=1.0), 512), draw(pose(), 512)
    for part in (slice(36, 42), slice(42, 48)):
        eye = anatomy.points[part]
        x, top, bottom = (round(v) for v in (eye[:, 0].mean(), eye[1:3, 1].mean(), eye[4:6, 1].mean()))
        above = top - round(0.10 * anatomy.unit)
        lid = shut[top + 2 : round(0.6 * bottom + 0.4 * top), x - 3 : x + 4]
        skin = open_[above - 2 : above + 3, x - 3 : x + 4].mean()
        assert np.abs(lid - skin).max() < 0.12 * skin
        assert shut[bottom - 6 : bottom + 3, x].min() < 0.7 * skin
        # The pupil is under the lid.
        assert open_[top + 2 : bottom - 2, x].min() < 0.5 * skin
