"""What can be told to the engine reaches the face that is drawn; the drawing itself is left out here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.avatars import PRESENTERS
from comps.animation.engine import AnimationOptions
from comps.animation.settings import AnimationSettings
from comps.core.media.image import decode_image
from tests.animation.films import film
from tests.neural.sadtalker.conftest import of_size
from tests.neural.sadtalker.test_engine import FRAME, avatar, drawn, settings_for

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SPEECH = 40 * FRAME


class Recorder:
    """In place of the generator: keeps the key points it is given, and shows grey."""

    def __init__(self) -> None:
        self.points: list[Any] = []
        self.features: tuple[int, ...] = ()

    def draw(self, frames: Sequence[Any]) -> list[NDArray[np.uint8]]:
        self.points += [frame.kp_driving.numpy() for frame in frames]
        self.features = tuple(frames[0].source.features.shape)
        side = 4 * self.features[-1]
        return [np.full((side, side, 3), 128, np.uint8) for _ in frames]


async def performed(
    loaded: Any, settings: AnimationSettings, **options: Any
) -> tuple[NDArray[np.float32], NDArray[np.float32], Recorder]:
    """Key points `[n, 15, 3]` and head poses `[n, 3]` of an answer, and what drew it."""
    from comps.animation.engines.sadtalker.engine import SadTalkerEngine

    recorder, poses = Recorder(), []

    def leave(first: int, pose: NDArray[np.float32]) -> NDArray[np.float32]:
        poses.append(pose)
        return pose

    engine = SadTalkerEngine(settings)
    engine.use(replace(loaded, drawer=recorder), ThreadPoolExecutor(2))
    frames = await drawn(await engine.open(avatar(), AnimationOptions(size=64, **options), leave), SPEECH)
    await engine.close()
    assert len(frames) == len(recorder.points) == 40
    return np.stack(recorder.points), np.concatenate(poses), recorder


@pytest.fixture(scope="module")
def usual() -> dict[str, Any]:
    """What is drawn when nothing is said, kept for the tests of this file."""
    return {}


async def as_usual(kept: dict[str, Any], loaded: Any, models: Path, tmp_path: Path) -> Any:
    if not kept:
        kept["points"], kept["poses"], _ = await performed(loaded, settings_for(models, tmp_path))
    return kept["points"], kept["poses"]


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({"sadtalker_pose_style": 45}, {}),
        ({"sadtalker_pose_step": 4}, {}),
        ({"sadtalker_expression_scale": 2.0}, {}),
        ({"sadtalker_still": True}, {}),
        ({}, {"seed": 3}),
    ],
)
async def test_an_option_moves_the_face(
    loaded: Any, models: Path, tmp_path: Path, usual: Any, settings: dict[str, Any], options: dict[str, Any]
) -> None:
    points, _ = await as_usual(usual, loaded, models, tmp_path)
    changed, _, _ = await performed(loaded, settings_for(models, tmp_path, **settings), **options)
    assert np.abs(changed - points).max() > 1e-3


async def test_a_still_head_is_one_without_motion(loaded: Any, models: Path, tmp_path: Path) -> None:
    still, _, _ = await performed(loaded, settings_for(models, tmp_path, sadtalker_still=True))
    resting, _, _ = await performed(loaded, settings_for(models, tmp_path), head_motion=0.0)
    np.testing.assert_allclose(still, resting, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("column", "axis"), [(0, "yaw"), (1, "pitch"), (2, "roll")])
async def test_a_given_angle_replaces_the_motion_of_one_axis(
    loaded: Any, models: Path, tmp_path: Path, usual: Any, column: int, axis: str
) -> None:
    _, poses = await as_usual(usual, loaded, models, tmp_path)
    _, turned, _ = await performed(loaded, settings_for(models, tmp_path, **{f"sadtalker_{axis}": (12.0,)}))
    others = [other for other in range(3) if other != column]
    np.testing.assert_array_equal(turned[:, column], 12)
    np.testing.assert_allclose(turned[:, others], poses[:, others], atol=2e-3)


@pytest.fixture
def load_undrawn(monkeypatch: pytest.MonkeyPatch) -> Callable[[AnimationSettings], Any]:
    """What the engine loads but for its drawer, which is not made: it takes longest."""
    from comps.animation.engines.sadtalker import loading

    monkeypatch.setattr(loading, "make_drawer", lambda *_: None)
    return loading.load


async def test_the_old_files_move_the_face_as_the_new_ones(
    old_models: Path, loaded: Any, models: Path, tmp_path: Path, usual: Any, load_undrawn: Any
) -> None:
    points, _ = await as_usual(usual, loaded, models, tmp_path)
    old = load_undrawn(settings_for(old_models, tmp_path, sadtalker_size=256))
    same, _, _ = await performed(old, settings_for(old_models, tmp_path))
    np.testing.assert_allclose(same, points, rtol=0, atol=1e-4)


async def test_512_pixels_with_eyes_and_head_of_videos(
    loaded: Any, models: Path, tmp_path: Path, usual: Any, load_undrawn: Any
) -> None:
    folder = of_size(models, 512, tmp_path / "models")
    picture = decode_image((PRESENTERS / "ada" / "portrait.png").read_bytes(), max_pixels=10**8)
    small = cv2.resize(picture, (320, 320), interpolation=cv2.INTER_AREA)
    (tmp_path / "face.mp4").write_bytes(film([np.roll(small, 4 * number, axis=1) for number in range(4)], fps=25))
    settings = settings_for(
        folder,
        tmp_path,
        sadtalker_size=512,
        sadtalker_eye_video=tmp_path / "face.mp4",
        sadtalker_pose_video=tmp_path / "face.mp4",
        sadtalker_batch=1,
    )
    large = load_undrawn(settings)
    assert len(large.reference.pose) == len(large.reference.expression) == 4
    points, poses = await as_usual(usual, loaded, models, tmp_path)
    changed, others, recorder = await performed(large, settings)
    assert recorder.features == (1, 32, 16, 128, 128)
    assert np.abs(changed - points).max() > 1e-3
    assert np.abs(others - poses).max() > 1e-2
