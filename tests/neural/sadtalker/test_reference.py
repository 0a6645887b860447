"""What a face in a video does can be borrowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from comps.animation.avatars import PRESENTERS
from comps.core.errors import EngineUnavailableError
from comps.core.media.image import decode_image
from tests.animation.films import film
from tests.neural.sadtalker.networks import filled

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def network() -> Any:
    from comps.animation.engines.sadtalker.network import ReconstructionNet

    return filled("recon", ReconstructionNet())


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from comps.animation.engines.sadtalker.points import FacePoints

    found = FacePoints.load(tmp_path_factory.mktemp("no-models"), torch.device("cpu"))
    assert found.source == "the avatar's rig"
    return found


def faces(count: int) -> list[Any]:
    """A face that moves to the right, `[320, 320, 3]` each."""
    picture = decode_image((PRESENTERS / "ada" / "portrait.png").read_bytes(), max_pixels=10**8)
    small = cv2.resize(picture, (320, 320), interpolation=cv2.INTER_AREA)
    return [np.roll(small, 3 * number, axis=1) for number in range(count)]


def test_coefficients_of_a_moving_face_at_25_a_second(network: Any, points: Any, tmp_path: Path) -> None:
    from comps.animation.engines.sadtalker.reference import video_coefficients

    blank = np.full((320, 320, 3), 90, np.uint8)
    pictures = [blank, *faces(4), blank]
    (tmp_path / "face.mp4").write_bytes(film(pictures, fps=25))
    rows = video_coefficients(tmp_path / "face.mp4", network, points)
    assert rows.shape == (5, 73)  # the blank at the start is left out, the one at the end repeats the frame before it
    np.testing.assert_array_equal(rows[4], rows[3])
    assert np.abs(rows[3] - rows[0]).max() > 1e-3
    assert rows[3, 71] - rows[0, 71] > 2  # the face's place, from the left


def test_a_video_of_fewer_frames_a_second_holds_each_longer(network: Any, points: Any, tmp_path: Path) -> None:
    from comps.animation.engines.sadtalker.reference import reference_of

    (tmp_path / "face.mp4").write_bytes(film(faces(3), fps=10))
    reference = reference_of(network, points, eyes=tmp_path / "face.mp4")
    assert reference.expression.shape == (8, 64)
    assert len(reference.pose) == 0


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be used"), (b"nonsense", "cannot be used"), ("grey", "shows no face")]
)
def test_what_is_no_video_of_a_face(network: Any, points: Any, tmp_path: Path, content: Any, said: str) -> None:
    from comps.animation.engines.sadtalker.reference import reference_of

    if content == "grey":
        content = film([np.full((64, 64, 3), 90, np.uint8)] * 2)
    if content is not None:
        (tmp_path / "face.mp4").write_bytes(content)
    with pytest.raises(EngineUnavailableError, match=said):
        reference_of(network, points, pose=tmp_path / "face.mp4")
