from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.avatars import PRESENTERS
from comps.animation.engine import Avatar
from comps.animation.footage import import_footage
from tests.animation.films import film

FRAMES = 30


@pytest.fixture(scope="session")
def portrait() -> NDArray[np.uint8]:
    """A drawn face, uint8 `[256, 256, 3]` RGB."""
    picture = cv2.imread(str(PRESENTERS / "ada" / "portrait.png"))
    assert picture is not None
    return cv2.cvtColor(cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)


def shift(frame: int) -> tuple[int, int]:
    """How far the head in the film has moved, in pixels to the right and down."""
    return frame, frame // 3


@pytest.fixture(scope="session")
def nodding(portrait: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The same face moving to the right and down; in frames 10 to 12 it is hidden."""
    pictures = []
    for k in range(FRAMES):
        moved = cv2.warpAffine(
            portrait,
            np.array([[1.0, 0, shift(k)[0]], [0, 1, shift(k)[1]]]),
            (256, 256),
            borderMode=cv2.BORDER_REPLICATE,
        )
        pictures.append(np.full_like(moved, 90) if 10 <= k <= 12 else moved)
    return pictures


@pytest.fixture(scope="session")
def video_file(nodding: list[NDArray[np.uint8]]) -> bytes:
    """The film as people upload it."""
    return film(nodding, codec="libx264")


@pytest.fixture
def film_avatar(video_file: bytes, tmp_path: Path) -> Avatar:
    """A video avatar as a store keeps it."""
    picture = import_footage(video_file, tmp_path / "film.mp4")
    cv2.imwrite(str(tmp_path / "portrait.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return Avatar("film", "Film", tmp_path / "portrait.png", tmp_path / "rig.json", tmp_path / "film.mp4")


@pytest.fixture
def ada() -> Avatar:
    """A picture avatar."""
    folder = PRESENTERS / "ada"
    return Avatar("ada", "Ada", folder / "portrait.png", folder / "rig.json")
