"""S3FD computes what the original computes, and its boxes are read as the original reads them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.neural.parity import assert_close, fixture, shapes, weights

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def network() -> Any:
    from comps.animation.faces.s3fd_network import S3fdNetwork

    network = S3fdNetwork()
    network.load_state_dict(weights("wav2lip_s3fd"), strict=True)
    return network.eval()


def picture() -> np.ndarray:
    return np.ascontiguousarray(fixture("wav2lip_s3fd")["image_bgr_u8"][..., ::-1])


def test_its_keys_and_shapes_are_the_originals(network: Any) -> None:
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == shapes("wav2lip_s3fd")


def test_it_returns_the_originals_maps(network: Any) -> None:
    import torch

    from comps.animation.faces.s3fd import network_input

    expected = fixture("wav2lip_s3fd")
    with torch.inference_mode():
        levels = network(torch.from_numpy(network_input(picture())[None]))
    for index, (scores, offsets) in enumerate(levels):
        step = 2 if index < 2 else 1
        assert_close(scores[..., ::step, ::step], expected[f"conf_{index}"], 5e-5)
        assert_close(offsets[..., ::step, ::step], expected[f"loc_{index}"], 5e-5)


def test_an_offset_moves_and_grows_a_prior_box() -> None:
    from comps.animation.faces.s3fd import candidates

    levels = []
    for side in (8, 4, 2, 1, 1, 1):
        levels.append((np.zeros((side, side), np.float32), np.zeros((4, side, side), np.float32)))
    levels[1][0][2, 3] = 0.9
    levels[1][1][:, 2, 3] = 1.0, -0.5, 0.0, 5.0
    boxes, scores = candidates(levels)
    # stride 8: the middle is (4 + 3 * 8, 4 + 2 * 8), the side 32
    x, y, w, h = 28 + 0.1 * 32, 20 - 0.05 * 32, 32, 32 * np.e
    np.testing.assert_allclose(boxes, [[x - w / 2, y - h / 2, x + w / 2, y + h / 2]], rtol=1e-5)
    assert scores.tolist() == [np.float32(0.9)]


def test_faces_come_best_first_without_overlap_in_the_pictures_pixels(network: Any) -> None:
    from comps.animation.faces.s3fd import S3fdDetector

    faces, none, small = S3fdDetector(network).detect([picture(), np.zeros((64, 64, 3), np.uint8), picture()[:128]])
    assert len(faces) > 1
    assert all(a.score >= b.score > 0.5 for a, b in pairwise(faces))
    for i, a in enumerate(faces):
        for b in faces[i + 1 :]:
            w = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0]) + 1
            h = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1]) + 1
            shared = max(w, 0) * max(h, 0)
            areas = [np.prod(face.box[2:] - face.box[:2] + 1) for face in (a, b)]
            assert shared <= 0.3001 * (sum(areas) - shared)
    assert isinstance(none, list)
    assert isinstance(small, list)


class Hungry:
    """A network that has memory for so many pictures at once."""

    def __init__(self, network: Any, room: int) -> None:
        self.network, self.room, self.tried = network, room, []

    def parameters(self) -> Any:
        return self.network.parameters()

    def __call__(self, pictures: Any) -> Any:
        self.tried.append(len(pictures))
        if len(pictures) > self.room:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate much")
        return self.network(pictures)


def test_a_batch_too_large_for_the_memory_is_halved(network: Any) -> None:
    from comps.animation.faces.s3fd import S3fdDetector

    crops = [picture()[:64, x : x + 64] for x in range(0, 192, 32)]
    hungry = Hungry(network, 2)
    halved = S3fdDetector(hungry, batch=8).detect(crops)
    assert hungry.tried == [6, 3, 1, 1, 1, 1, 1, 1]
    whole = S3fdDetector(network).detect(crops)
    assert [len(faces) for faces in halved] == [len(faces) for faces in whole]


def test_no_memory_for_one_picture_is_said(network: Any) -> None:
    from comps.animation.faces.s3fd import S3fdDetector
    from comps.core.errors import EngineUnavailableError

    with pytest.raises(EngineUnavailableError, match="memory"):
        S3fdDetector(Hungry(network, 0)).detect([picture()[:64, :64]])


def test_other_failures_are_not_taken_for_a_lack_of_memory(network: Any) -> None:
    from comps.animation.faces.s3fd import S3fdDetector

    class Broken(Hungry):
        def __call__(self, pictures: Any) -> Any:
            raise RuntimeError("expected another shape")

    with pytest.raises(RuntimeError, match="another shape"):
        S3fdDetector(Broken(network, 0)).detect([picture()[:64, :64]])  # type: ignore[arg-type]
