"""Head poses are those of the original, at once and as the speech comes, and coefficient windows too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.neural.parity import assert_close, fixture
from tests.neural.sadtalker.networks import filled

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

CASES = [(8, 0), (33, 3), (50, 45), (70, 17)]


@pytest.fixture(scope="module")
def network() -> Any:
    from comps.animation.engines.sadtalker.network import PoseVAE

    return filled("audio2pose", PoseVAE())


def stream(network: Any, frames: int, style: int, step: int = 32) -> Any:
    from comps.animation.engines.sadtalker.head_pose import PoseStream

    expected = fixture("sadtalker_audio2pose")
    rows = iter(expected["z"])
    return PoseStream(network, expected[f"ref_{frames}"][0, 0, 64:], style, lambda: next(rows), step)


@pytest.mark.parametrize(("frames", "style"), CASES)
@pytest.mark.parametrize("piece", [1, 19, 100])
def test_motion_of_the_original(network: Any, frames: int, style: int, piece: int) -> None:
    from comps.animation.engines.sadtalker.smoothing import SmoothStream

    expected = fixture("sadtalker_audio2pose")
    mels = expected["indiv_mels"][0, :frames, 0]
    poses, smooth = stream(network, frames, style), SmoothStream(6)
    motion, calm = [], []
    for start in range(0, frames, piece):
        motion.append(poses.feed(mels[start : start + piece]))
    motion.append(poses.finish())
    first = expected[f"ref_{frames}"][0, 0, 64:]
    for rows in motion:
        calm.append(smooth.feed(rows + first))
    calm.append(smooth.finish())
    assert_close(np.concatenate(motion), expected[f"pose_motion_{frames}"][0], 5e-5)
    assert_close(np.concatenate(calm), expected[f"pose_smooth_{frames}"][0], 5e-5)


@pytest.mark.parametrize("step", [4, 8])
def test_a_smaller_step_waits_less_and_does_not_depend_on_the_pieces(network: Any, step: int) -> None:
    mels = fixture("sadtalker_audio2pose")["indiv_mels"][0, :, 0]
    whole = stream(network, 70, 17, step)
    expected = np.concatenate([whole.feed(mels), whole.finish()])
    live = stream(network, 70, 17, step)
    given = 0
    found = []
    for heard, mel in enumerate(mels, 1):
        found.append(live.feed(mel[None]))
        given += len(found[-1])
        assert heard - given < step
    found.append(live.finish())
    assert_close(np.concatenate(found), expected, 1e-5)
    assert len(expected) == 70


def test_styles_differ(network: Any) -> None:
    mels = fixture("sadtalker_audio2pose")["indiv_mels"][0, :40, 0]
    motions = []
    for style in (0, 45):
        poses = stream(network, 70, style)
        motions.append(np.concatenate([poses.feed(mels), poses.finish()]))
    assert np.abs(motions[0] - motions[1]).max() > 1e-3


@pytest.mark.parametrize("frames", [1, 2, 12, 13, 14, 40])
def test_windows_of_coefficients(frames: int) -> None:
    from comps.animation.engines.sadtalker.coefficients import CoefficientWindows, window_rows

    if frames == 40:
        np.testing.assert_array_equal(window_rows(40), fixture("sadtalker_glue")["semantic_window_idx_n40"])
    rows = np.random.default_rng(frames).normal(size=(frames, 70)).astype(np.float32)
    expected = rows[window_rows(frames)].transpose(0, 2, 1)
    for piece in (1, 5, 100):
        windows = CoefficientWindows(70)
        found = [windows.feed(rows[start : start + piece]) for start in range(0, frames, piece)]
        np.testing.assert_array_equal(np.concatenate([*found, windows.finish()]), expected)
