"""FAN against the original network, and the points made of its heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from comps.animation.faces import landmarks98  # noqa: E402
from comps.animation.faces.face import DetectedFace, FaceDetector, Picture  # noqa: E402
from comps.animation.faces.fan_network import FanNetwork  # noqa: E402
from comps.animation.faces.landmarks98 import Landmarks98, decode, network_input, to_68  # noqa: E402
from tests.neural import parity  # noqa: E402

pytestmark = pytest.mark.torch
NAME = "facexlib_fan_98"


class KnownBoxes(FaceDetector):
    """Finds the same boxes in every picture."""

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self._faces = [DetectedFace(np.array(box, np.float32), 1.0) for box in boxes]

    def detect(self, pictures: Sequence[Picture]) -> list[list[DetectedFace]]:
        return [list(self._faces) for _ in pictures]


@pytest.fixture(scope="module")
def network() -> FanNetwork:
    network = FanNetwork()
    network.load_state_dict(parity.weights(NAME), strict=True)
    return network.eval()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.ascontiguousarray(parity.fixture(NAME)["image_u8"][..., ::-1])


def test_keys_are_those_of_the_original() -> None:
    assert list(FanNetwork().state_dict()) == list(parity.shapes(NAME))


def test_output_is_that_of_the_original(network: FanNetwork, picture: np.ndarray) -> None:
    expected = parity.fixture(NAME)
    given = network_input(picture)
    parity.assert_close(given[None, :, ::4, ::4], expected["input_s4"], 1e-6)
    with torch.inference_mode():
        first, _, _, last = network(torch.from_numpy(given)[None])
    parity.assert_close(first[..., ::4, ::4], expected["heatmap_0_s4"], 2e-4)
    parity.assert_close(last[..., ::4, ::4], expected["heatmap_3_s4"], 2e-4)


def test_points_are_those_of_the_original(network: FanNetwork, picture: np.ndarray) -> None:
    (points,) = Landmarks98(KnownBoxes(), network).locate([picture])
    np.testing.assert_allclose(points, parity.fixture(NAME)["landmarks_98"], atol=1e-4)


def test_a_peak_inside_moves_towards_its_hotter_neighbours() -> None:
    heat = np.zeros((1, 64, 64), np.float32)
    heat[0, 20, 30], heat[0, 20, 31], heat[0, 19, 30] = 1, 0.5, 0.25
    np.testing.assert_allclose(decode(heat, (128, 64)), [[(30 + 0.75) * 2, 20 + 0.25]])
    heat[0] = 0
    heat[0, 63, 63] = 1
    assert np.isfinite(decode(heat, (64, 64))).all()


def test_points_of_several_faces_lie_in_the_picture(network: FanNetwork, picture: np.ndarray) -> None:
    boxes = ((20.7, 10.2, 150.0, 190.9), (-5.0, -9.0, 90.0, 100.0), (170.0, 195.0, 400.0, 300.0))
    detector = Landmarks98(KnownBoxes(*boxes), network, batch=2)
    (faces,) = detector.detect([picture])
    (alone,) = detector.locate([picture[10:190, 20:150]])
    assert len(faces) == 3
    assert faces[0].points is not None
    np.testing.assert_allclose(faces[0].points, alone + np.array([20, 10]), atol=1e-3)
    for face in faces:
        assert face.points is not None
        assert (face.points >= 0).all()
        assert (face.points <= [180, 200]).all()
    assert detector.detect([]) == []


def test_the_68_points_are_means_of_the_98() -> None:
    index = np.repeat(np.arange(98, dtype=np.float32)[:, None], 2, 1)
    points = to_68(index)[:, 0]
    np.testing.assert_array_equal(points[:17], np.arange(0, 33, 2))
    np.testing.assert_array_equal(points[17:22], [33, 37.5, 37.5, 37.5, 37.5])
    np.testing.assert_array_equal(points[22:27], [46, 46, 46, 46, 46])
    np.testing.assert_array_equal(points[27:36], np.arange(51, 60))
    np.testing.assert_array_equal(points[36:48], [60, 61, 63, 64, 65, 67, 68, 69, 71, 72, 73, 75])
    np.testing.assert_array_equal(points[48:], np.arange(76, 96))


def test_weights_are_loaded_from_their_section(network: FanNetwork, picture: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / landmarks98.FILE
    torch.save({"state_dict": network.state_dict()}, path)
    (points,) = Landmarks98.load(KnownBoxes(), path).locate([picture])
    np.testing.assert_allclose(points, parity.fixture(NAME)["landmarks_98"], atol=1e-4)
