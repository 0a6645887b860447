from __future__ import annotations

from collections import Counter

from comps.animation.audio2face.names import (
    ACTIVE_POSES,
    ALL_SHAPES,
    ARKIT_SHAPES,
    CANCEL_POSES,
    CORRESPONDENCE,
    DETECTOR_EMOTIONS,
    FACE_EMOTIONS,
    SYMMETRY_POSES,
    face_emotion,
    shape_names,
)
from tests.audio2face.vectors import named, read


def test_shapes_are_those_of_the_published_streams_in_their_order() -> None:
    cases = named(read("blendshape_postprocess")["cases"])
    assert list(shape_names(tongue=False)) == cases["all_52"]["names"]
    assert list(shape_names(tongue=True)) == cases["all_68"]["names"]


def test_emotions_and_their_correspondence_are_the_published_ones() -> None:
    published = read("emotion_postprocess")
    assert list(DETECTOR_EMOTIONS) == published["input_order"]
    assert list(FACE_EMOTIONS) == published["output_order"]
    places = [FACE_EMOTIONS.index(CORRESPONDENCE[name]) if name in CORRESPONDENCE else -1 for name in DETECTOR_EMOTIONS]
    assert places == published["correspondence"]


def test_an_unknown_emotion_has_no_place_and_the_spelling_of_a_public_client_has() -> None:
    assert face_emotion("out_of_breath") == face_emotion("outofbreath") == 7
    assert face_emotion("Joy") is None


def test_default_poses_leave_gaze_and_tongue_out_and_pair_left_with_right() -> None:
    inactive = [name for name in ALL_SHAPES if not ACTIVE_POSES[name]]
    assert len(inactive) == 9
    assert all(name.startswith("EyeLook") or name == "TongueOut" for name in inactive)
    assert set(CANCEL_POSES.values()) == {-1}
    counts = Counter(SYMMETRY_POSES.values())
    assert counts.pop(-1) == len(ALL_SHAPES) - 26
    assert counts == dict.fromkeys(range(13), 2)
    assert SYMMETRY_POSES["BrowDownLeft"] == SYMMETRY_POSES["BrowDownRight"] == 10
    assert list(SYMMETRY_POSES) == list(ALL_SHAPES)
    assert len(ARKIT_SHAPES) == 52
