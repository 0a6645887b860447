"""Skin, tongue, jaw and eyes on the published tiny meshes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.audio2face.eyes import EyeSettings, pose_eyes, saccade_rows
from comps.animation.audio2face.jaw import pose_jaw, rigid_fit
from comps.animation.audio2face.parameters import FACE_BY_REQUEST
from comps.animation.audio2face.skin import SkinRig, SkinSettings, SkinStream, lower_mask
from comps.animation.audio2face.tongue import pose_tongue
from comps.core.errors import UnprocessableError
from tests.audio2face.vectors import TOLERANCE, named, read

PUBLISHED = read("face_params")
SKIN, TONGUE, JAW, EYES = (PUBLISHED[part] for part in ("skin", "tongue", "jaw", "eyes"))
RIG = SkinRig(*(np.array(SKIN[key]) for key in ("neutral", "eye_close_pose_delta", "lip_open_pose_delta")))
ROWS = named([row | {"name": row["runtime"]} for row in PUBLISHED["parameters"]])


def skin_settings(case: dict[str, Any]) -> SkinSettings:
    return SkinSettings.of({FACE_BY_REQUEST[key].name: value for key, value in case["params"].items()})


@pytest.mark.parametrize("case", SKIN["cases"], ids=lambda case: case["name"])
def test_skin_is_the_published_one(case: dict[str, Any]) -> None:
    chosen = skin_settings(case)
    mask = lower_mask(RIG.neutral, chosen.face_mask_level, chosen.face_mask_softness)
    np.testing.assert_allclose(mask, case["expected_mask_lower"], rtol=0, atol=TOLERANCE)
    stream, posed = SkinStream(RIG, chosen, fps=1 / case["dt"]), []
    for frame, delta in enumerate(np.array(SKIN["inputs"][case["input"]])):
        if frame in case["reset_before_frame"]:
            stream.reset()
        posed.append(stream.pose(delta[None])[0])
    np.testing.assert_allclose(posed, case["expected_vertices"], rtol=0, atol=TOLERANCE)


@given(cuts=st.lists(st.integers(0, 30), max_size=5), seed=st.integers(0, 1000), half_life=st.floats(0, 0.1))
@settings(max_examples=40, deadline=None)
def test_chunks_of_skin_change_nothing_and_streams_are_apart(cuts: list[int], seed: int, half_life: float) -> None:
    deltas = np.random.default_rng(seed).normal(size=(30, 8, 3))
    chosen = SkinSettings(lower_face_smoothing=half_life)
    whole = SkinStream(RIG, chosen, fps=30).pose(deltas)
    stream, other = SkinStream(RIG, chosen, fps=30), SkinStream(RIG, chosen, fps=30)
    other.pose(deltas[::-1])
    np.testing.assert_array_equal(np.concatenate([stream.pose(part) for part in np.split(deltas, sorted(cuts))]), whole)


def test_single_precision_stays_single_and_close() -> None:
    rig = SkinRig(*(points.astype(np.float32) for points in (RIG.neutral, RIG.eye_close, RIG.lip_open)))
    case = named(SKIN["cases"])["strong_smoothing"]
    posed = SkinStream(rig, skin_settings(case), fps=30).pose(np.array(SKIN["inputs"]["delta"], np.float32))
    assert posed.dtype == np.float32
    np.testing.assert_allclose(posed, case["expected_vertices"], rtol=0, atol=PUBLISHED["tolerance"]["absolute"])


def test_skin_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UnprocessableError, match=r"not all \[v, 3\]"):
        SkinRig(RIG.neutral, RIG.eye_close[:-1], RIG.lip_open)
    with pytest.raises(UnprocessableError, match="delta"):
        SkinStream(RIG, SkinSettings(), fps=30).pose(np.zeros((2, 7, 3)))
    with pytest.raises(UnprocessableError, match=r"faceMaskSoftness = 0 is out of range; allowed is 0.001 to 0.5"):
        SkinSettings(face_mask_softness=0)


@pytest.mark.parametrize("case", TONGUE["cases"], ids=lambda case: case["name"])
def test_tongue_is_the_published_one(case: dict[str, Any]) -> None:
    strength, height, depth = (
        case["params"][key] for key in ("tongueStrength", "tongueHeightOffset", "tongueDepthOffset")
    )
    posed = pose_tongue(
        np.array(TONGUE["neutral"]), np.array(TONGUE["input_delta"]), strength=strength, height_offset=height, depth_offset=depth
    )  # fmt: skip
    np.testing.assert_allclose(posed, case["expected_vertices"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("case", JAW["cases"], ids=lambda case: case["name"])
def test_jaw_is_the_published_one(case: dict[str, Any]) -> None:
    strength, height, depth = (
        case["params"][f"lowerTeeth{key}"] for key in ("Strength", "HeightOffset", "DepthOffset")
    )
    delta = np.array([case["input_delta"], np.zeros((5, 3))])
    posed = pose_jaw(np.array(JAW["neutral"]), delta, strength=strength, height_offset=height, depth_offset=depth)
    np.testing.assert_allclose(posed[0], case["expected_matrix_rows"], rtol=0, atol=TOLERANCE)


@given(seed=st.integers(0, 10_000))
def test_a_rigid_motion_is_found_again_and_a_mirror_image_is_never_taken(seed: int) -> None:
    random = np.random.default_rng(seed)
    points = random.normal(size=(5, 3))
    rotation, _ = np.linalg.qr(random.normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    shift = random.normal(size=3)
    found = rigid_fit(points, np.stack([points @ rotation.T + shift, points * [-1, 1, 1]]))
    np.testing.assert_allclose(found[0, :3], np.column_stack([rotation, shift]), rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(found[:, :3, :3]), 1)


@pytest.mark.parametrize("case", EYES["cases"], ids=lambda case: case["name"])
def test_eyes_are_the_published_ones(case: dict[str, Any]) -> None:
    table, prediction, fps = np.array(EYES["saccade_table"]), np.array(EYES["prediction"]), 1 / case["dt"]
    chosen = EyeSettings(**{ROWS[key]["library_json"]: value for key, value in case["params"].items()})
    rows = saccade_rows(np.arange(len(prediction)), round(fps), chosen.eye_saccade_seed, len(table))
    assert rows.tolist() == case["expected_saccade_index"]
    right, left = pose_eyes(prediction, table, chosen, first=0, fps=round(fps))
    np.testing.assert_allclose(right, case["expected_right"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(left, case["expected_left"], rtol=0, atol=TOLERANCE)
    later, _ = pose_eyes(prediction[4:], table, chosen, first=4, fps=round(fps))
    np.testing.assert_array_equal(later, right[4:])


def test_eyes_out_of_range_are_refused() -> None:
    with pytest.raises(UnprocessableError, match="eye_saccade_seed = 5000 is out of range"):
        EyeSettings(eye_saccade_seed=5000)


@given(first=st.integers(0, 10**7), fps=st.sampled_from([15, 24, 25, 30, 50, 60]), seed=st.integers(0, 4999))
def test_the_row_of_a_frame_never_suffers_from_rounding(first: int, fps: int, seed: int) -> None:
    rows = saccade_rows(np.array([first]), fps, seed, 5000)
    assert rows[0] == (seed + 30 * first // fps) % 5000
