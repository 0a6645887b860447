"""The small networks return what the originals return for the same weights."""

from __future__ import annotations

import numpy as np
import pytest

from tests.neural.parity import assert_close, fixture
from tests.neural.sadtalker.networks import filled, picture, same_keys

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def _inference() -> object:
    with torch.inference_mode():
        yield


def test_reconstruction_of_a_face() -> None:
    from comps.animation.engines.sadtalker.network import ReconstructionNet

    expected = fixture("sadtalker_recon")
    network = filled("recon", ReconstructionNet())
    pictures = picture(expected["image_rgb_u8"])
    assert same_keys("recon", network)
    assert_close(network.backbone(pictures).flatten(1), expected["pooled"], 5e-5)
    assert_close(network(pictures), expected["coeff"], 5e-5)


def test_expression_of_mel_windows() -> None:
    from comps.animation.engines.sadtalker.network import ExpressionNet

    expected = fixture("sadtalker_audio2exp")
    network = filled("audio2exp", ExpressionNet())
    mels, reference, blink = (torch.from_numpy(expected[key][0]) for key in ("indiv_mels", "ref", "ratio"))
    assert same_keys("audio2exp", network)
    assert_close(network(mels, reference[:, :64], blink), expected["exp_coeff_pred"][0], 5e-5)


@pytest.mark.parametrize("channels", [70, 73])
def test_motion_of_coefficients(channels: int) -> None:
    from comps.animation.engines.sadtalker.network import MappingNet

    expected = fixture(f"sadtalker_mapping{channels}")
    network = filled(f"mapping{channels}", MappingNet(channels))
    motion = network(torch.from_numpy(expected["input"]))
    assert same_keys(f"mapping{channels}", network)
    assert network.channels == channels
    for name, found in zip(("yaw", "pitch", "roll", "t", "exp"), motion, strict=True):
        assert_close(found, expected[name], 5e-5)


def test_canonical_key_points_of_a_picture() -> None:
    from comps.animation.engines.sadtalker.network import KeypointDetector

    expected = fixture("sadtalker_kp_extractor")
    network = filled("kp_extractor", KeypointDetector())
    pictures = picture(expected["image_rgb_u8"])
    assert same_keys("kp_extractor", network)
    assert_close(network.down(pictures)[..., ::2, ::2], expected["down"], 5e-5)
    assert_close(network(pictures), expected["kp"], 5e-5)


def test_key_points_moved_by_pose_and_expression() -> None:
    from comps.animation.engines.sadtalker.mapping import Motion
    from comps.animation.engines.sadtalker.transformation import moved, pose_degrees, rotation

    expected = {key: torch.from_numpy(value) for key, value in fixture("sadtalker_keypoints").items() if value.ndim}
    motion = Motion(*(expected[key] for key in ("yaw", "pitch", "roll", "t", "exp")))
    pose = pose_degrees(motion)
    for column, axis in enumerate(("yaw", "pitch", "roll")):
        assert_close(pose[:, column], expected[f"{axis}_deg"].numpy(), 1e-4)
    assert_close(rotation(pose), expected["rotation"].numpy(), 1e-5)
    before = motion.shift.clone()
    assert_close(moved(expected["kp"], motion), expected["kp_transformed"].numpy(), 1e-5)
    assert_close(motion.shift, before.numpy(), 0)
    fixed = torch.stack([expected[f"{axis}_in"] for axis in ("yaw", "pitch", "roll")], 1)
    assert_close(moved(expected["kp"], motion, fixed), expected["kp_transformed_fixed_pose"].numpy(), 1e-5)
    frozen = motion._replace(expression=torch.zeros_like(motion.expression))
    assert_close(moved(expected["kp"], frozen), expected["kp_transformed_wo_exp"].numpy(), 1e-5)


def test_the_exact_pi_would_be_noticed() -> None:
    from comps.animation.engines.sadtalker.transformation import rotation

    pose = torch.tensor([[-44.1, -21.7, 28.6]])
    exact = rotation(pose * (np.pi / 3.14))
    assert float((rotation(pose) - exact).abs().max()) > 1e-4


def test_pose_vae_takes_every_key_of_its_checkpoint() -> None:
    from comps.animation.engines.sadtalker.network import PoseVAE

    assert same_keys("audio2pose", filled("audio2pose", PoseVAE()))
