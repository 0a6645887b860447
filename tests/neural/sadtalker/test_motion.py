"""Speech becomes the same motion however it is cut, of exactly the right length, in bounded memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.neural.sadtalker.models import state

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

RATE = 16_000


@pytest.fixture(scope="module")
def networks() -> Any:
    from comps.animation.engines.sadtalker.motion import MotionNetworks
    from comps.animation.engines.sadtalker.network import ExpressionNet, MappingNet, PoseVAE
    from comps.animation.neural.checkpoint import fill

    return MotionNetworks(
        fill(ExpressionNet(), state("audio2exp"), "audio2exp"),
        fill(PoseVAE(), state("audio2pose"), "audio2pose"),
        fill(MappingNet(), state("mapping70"), "mapping70"),
    )


def speech(samples: int, rate: int = RATE) -> NDArray[np.int16]:
    """Noise whose loudness rises and falls, int16 `[samples]`."""
    loud = 0.5 + 0.5 * np.sin(np.arange(samples) / rate * 9)
    return (np.random.default_rng(0).normal(size=samples) * loud * 4000).astype(np.int16)


def source() -> NDArray[np.float32]:
    return (np.random.default_rng(4).normal(size=70) * 0.3).astype(np.float32)


def stream(networks: Any, reference: Any = None, **options: Any) -> Any:
    from comps.animation.engines.sadtalker.motion import MotionOptions, MotionStream

    return MotionStream(networks, source(), MotionOptions(**{"sample_rate": RATE, **options}), reference)


def performed(motion: Any, pcm: NDArray[np.int16], piece: int = 10**9) -> Any:
    from comps.animation.engines.sadtalker.motion import joined

    pieces = [motion.feed(pcm[start : start + piece]) for start in range(0, len(pcm), piece)]
    whole = joined([*pieces, motion.finish()])
    assert whole.first == 0
    return whole


def rows(motion: Any) -> NDArray[np.float32]:
    return np.concatenate([motion.pose, motion.shift, motion.expression], 1)


@pytest.mark.parametrize("options", [{}, {"step": 8}, {"still": True}, {"fps": 30}])
def test_the_same_however_it_is_cut(networks: Any, options: dict[str, Any]) -> None:
    pcm = speech(RATE + 6123)
    expected = performed(stream(networks, **options), pcm)
    found = performed(stream(networks, **options), pcm, 1777)
    np.testing.assert_allclose(rows(found), rows(expected), rtol=0, atol=2e-3)  # degrees; the sums' order differs
    assert len(expected) == -(-len(pcm) * options.get("fps", 25) // RATE)


@pytest.mark.parametrize("fps", [24, 25, 30])
@pytest.mark.parametrize("samples", [0, 1, 640, 641, 9_999, 22_050])
@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_every_length_is_exact(networks: Any, samples: int, rate: int, fps: int) -> None:
    motion = stream(networks, sample_rate=rate, fps=fps, still=True)
    assert len(performed(motion, speech(samples, rate))) == -(-samples * fps // rate)


@pytest.mark.parametrize("options", [{}, {"step": 4}, {"still": True}])
def test_the_look_ahead_is_as_stated_and_nothing_piles_up(networks: Any, options: dict[str, Any]) -> None:
    from comps.animation.engines.sadtalker.motion import look_ahead_s

    ahead = look_ahead_s(options.get("still", False), options.get("step", 32))
    motion, drawn, pcm = stream(networks, **options), 0, speech(5 * RATE)
    for start in range(0, len(pcm), 3200):
        drawn += len(motion.feed(pcm[start : start + 3200]))
        assert drawn >= int(((start + 3200) / RATE - ahead) * 25)
    held = [motion._windows._kept.shape[1], len(motion._around._held), len(motion._retimer._held)]
    assert max(held) < 60
    assert max(len(queue) for queue in motion._waiting) < 60
    assert drawn > 60


def test_frames_at_another_rate_lie_between_those_of_the_motion(networks: Any) -> None:
    pcm = speech(RATE)
    slow, fast = (rows(performed(stream(networks, fps=fps, still=True), pcm)) for fps in (25, 50))
    np.testing.assert_allclose(fast[::2], slow, rtol=0, atol=1e-4)
    np.testing.assert_allclose(fast[1:-1:2], (slow[:-1] + slow[1:]) / 2, rtol=0, atol=1e-4)


def test_seed_style_and_strengths_change_what_they_should(networks: Any) -> None:
    pcm = speech(RATE)
    base = performed(stream(networks), pcm)
    assert np.array_equal(performed(stream(networks), pcm).pose, base.pose)
    for options in ({"seed": 1}, {"style": 45}):
        assert np.abs(performed(stream(networks, **options), pcm).pose - base.pose).max() > 0.01
    resting = performed(stream(networks, head_motion=0.0, blinks=False), pcm)
    still = performed(stream(networks, still=True, blinks=False), pcm)
    np.testing.assert_allclose(rows(resting), rows(still), rtol=0, atol=1e-3)
    mute = performed(stream(networks, still=True, expression_scale=0.0), pcm)
    assert np.ptp(rows(mute), axis=0).max() < 1e-3
    assert np.ptp(rows(still), axis=0).max() > 0.05


def test_motion_of_videos_is_borrowed_from_its_start_again_and_again(networks: Any) -> None:
    from comps.animation.engines.sadtalker.motion import Reference

    pcm = speech(RATE)
    waves = np.sin(np.arange(10) * 0.6)[:, None]
    poses = (0.4 + 0.3 * waves * np.ones(6)).astype(np.float32)
    still = performed(stream(networks, head_motion=0.0), pcm)
    moving = performed(stream(networks, Reference(pose=poses), head_motion=0.0), pcm)
    assert np.abs(moving.pose - still.pose).max() > 0.05
    # A shift of all poses of the video changes nothing: only how they differ from the first counts.
    shifted = performed(stream(networks, Reference(pose=poses + 1), head_motion=0.0), pcm)
    np.testing.assert_allclose(rows(shifted), rows(moving), rtol=0, atol=5e-3)
    eyes = Reference(expression=np.random.default_rng(1).normal(size=(5, 64)).astype(np.float32))
    blinking = performed(stream(networks, eyes, still=True), pcm)
    same = performed(stream(networks, eyes, still=True, seed=9), pcm)
    np.testing.assert_array_equal(rows(blinking), rows(same))
    assert np.abs(blinking.expression - still.expression).max() > 0.01


def test_key_points_of_the_picture_are_those_of_a_face_that_keeps_still(networks: Any) -> None:
    from comps.animation.engines.sadtalker.coefficients import still_window
    from comps.animation.engines.sadtalker.mapping import Motion
    from comps.animation.engines.sadtalker.motion import source_keypoints
    from comps.animation.engines.sadtalker.transformation import moved

    canonical = torch.randn(15, 3, generator=torch.Generator().manual_seed(0)) * 0.3
    with torch.inference_mode():
        motion = networks.mapping(torch.from_numpy(still_window(source())[None]))
        expected = moved(canonical[None], Motion(*motion))[0]
    found = source_keypoints(networks.mapping, source(), canonical)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=1e-6)


def test_another_pose_turns_the_key_points(networks: Any) -> None:
    motion = performed(stream(networks, still=True), speech(RATE // 5))
    canonical = torch.randn(15, 3, generator=torch.Generator().manual_seed(0)) * 0.3
    turned = replace(motion, pose=motion.pose + np.float32([30, 0, 0]))
    before, after = motion.keypoints(canonical), turned.keypoints(canonical)
    assert before.shape == (5, 15, 3)
    assert float((before - after).abs().max()) > 0.1
