"""RetinaFace against the original network, and what is made of its output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from comps.animation.faces import retinaface  # noqa: E402
from comps.animation.faces.retinaface import RetinaFaceDetector, anchors, decode_boxes, decode_points  # noqa: E402
from comps.animation.faces.retinaface_network import RetinaFaceNetwork  # noqa: E402
from comps.core.errors import EngineUnavailableError  # noqa: E402
from tests.neural import parity  # noqa: E402

pytestmark = pytest.mark.torch
NAME = "facexlib_retinaface_resnet50"


@pytest.fixture(scope="module")
def network() -> RetinaFaceNetwork:
    network = RetinaFaceNetwork()
    network.load_state_dict(parity.weights(NAME), strict=True)
    return network.eval()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return parity.fixture(NAME)["image_bgr_u8"][..., ::-1]


def test_keys_are_those_of_the_original() -> None:
    assert list(RetinaFaceNetwork().state_dict()) == list(parity.shapes(NAME))


def test_output_is_that_of_the_original(network: RetinaFaceNetwork, picture: np.ndarray) -> None:
    expected = parity.fixture(NAME)
    with torch.inference_mode():
        offsets, scores, points = network(torch.from_numpy(retinaface.network_input(picture))[None])
    parity.assert_close(offsets[:, ::6], expected["loc_s6"], 1e-4)
    parity.assert_close(scores, expected["conf"], 1e-4)
    parity.assert_close(points[:, ::6], expected["landm_s6"], 1e-4)


def test_decoding_is_that_of_the_original() -> None:
    expected = parity.fixture(NAME)
    priors = anchors(320, 288)
    assert len(priors) == expected["conf"].shape[1]
    parity.assert_close(priors[::6], expected["priors_s6"], 0)
    boxes = decode_boxes(expected["loc_s6"][0], priors[::6], (288, 320))
    parity.assert_close(boxes, expected["boxes_s6"], 2e-4)
    points = decode_points(expected["landm_s6"][0], priors[::6], (288, 320))
    parity.assert_close(points, expected["landmarks_s6"], 2e-4)


def test_faces_are_those_above_the_score_without_overlaps(network: RetinaFaceNetwork, picture: np.ndarray) -> None:
    expected = parity.fixture(NAME)
    least = float(np.quantile(expected["conf"][0, :, 1], 0.98))
    (faces,) = RetinaFaceDetector(network, least_score=least).detect([picture])
    everything = decode_boxes(expected["loc_s6"][0], anchors(320, 288)[::6], (288, 320))
    scores = expected["conf"][0, :, 1]
    assert faces
    assert [face.score for face in faces] == sorted((face.score for face in faces), reverse=True)
    assert faces[0].score == pytest.approx(scores.max(), abs=1e-4)
    kept = np.stack([face.box for face in faces])
    assert (_overlaps(kept, kept) - np.eye(len(kept)) <= 0.4 + 1e-4).all()
    # whatever was sure and is gone lies under a kept one
    assert (_overlaps(everything[scores[::6] > least + 1e-4], kept).max(1) > 0.4 - 1e-3).all()
    assert all(face.points is not None and face.points.shape == (5, 2) for face in faces)


def test_a_batch_finds_what_each_picture_finds_alone(network: RetinaFaceNetwork, picture: np.ndarray) -> None:
    detector = RetinaFaceDetector(network, least_score=0.6)
    pictures = [picture, picture[:256, :192], np.ascontiguousarray(picture[:, ::-1])]
    together = detector.detect(pictures)
    for faces, one in zip(together, pictures, strict=True):
        (alone,) = detector.detect([one])
        assert [face.score for face in faces] == pytest.approx([face.score for face in alone], abs=1e-4)
    assert detector.detect([]) == []


def test_a_large_picture_is_searched_smaller_and_found_in_its_own_pixels(
    network: RetinaFaceNetwork, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retinaface, "MAX_SIDE", 320)
    large = picture.repeat(2, 0).repeat(2, 1)
    detector = RetinaFaceDetector(network, least_score=0.6)
    (small_faces,), (large_faces,) = detector.detect([picture]), detector.detect([large])
    assert len(large_faces) == len(small_faces) > 0
    np.testing.assert_allclose(large_faces[0].box, 2 * small_faces[0].box, atol=0.1)


def test_weights_are_loaded_or_refused(network: RetinaFaceNetwork, picture: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / retinaface.FILE
    with pytest.raises(EngineUnavailableError, match=retinaface.FILE):
        RetinaFaceDetector.load(path)
    torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, path)
    loaded = RetinaFaceDetector.load(path, least_score=0.6).detect([picture])[0]
    direct = RetinaFaceDetector(network, least_score=0.6).detect([picture])[0]
    assert [face.score for face in loaded] == [face.score for face in direct]
    torch.save({"body.conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(EngineUnavailableError, match="another network"):
        RetinaFaceDetector.load(path)


def _overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    area_a, area_b = ((boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (a, b))
    return shared / (area_a[:, None] + area_b[None] - shared)
