"""The folder of finished videos."""

from __future__ import annotations

import os
import time
from pathlib import Path

import anyio

from comps.animation.outputs import OutputFolder
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.serve import running
from tests.animation.stand_in import TABLE


def make(folder: OutputFolder, age_s: float = 0.0, part: bool = False) -> Path:
    paths = folder.reserve()
    path = paths[0] if part else paths[1]
    path.write_bytes(b"video")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_names_are_never_given_twice(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "a" / "b", 5, 60)
    names = {path for _ in range(50) for path in folder.reserve()}
    assert len(names) == 100
    assert all(path.parent == tmp_path / "a" / "b" for path in names)


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path, 2, 1000)
    old, middle, new = make(folder, 30), make(folder, 20), make(folder, 10)
    folder.prune()
    assert not old.exists()
    assert middle.exists()
    assert new.exists()


def test_old_ones_and_abandoned_parts_go(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path, 10, 100)
    old, part, fresh = make(folder, 200), make(folder, 200, part=True), make(folder, 5, part=True)
    folder.prune()
    assert not old.exists()
    assert not part.exists()
    assert fresh.exists()


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "holiday.mp4"
    mine.write_bytes(b"x")
    os.utime(mine, (0, 0))
    OutputFolder(tmp_path, 0, 0).prune()
    assert mine.exists()


async def test_an_idle_service_forgets_old_videos(settings: AnimationSettings) -> None:
    app = create_app(settings.model_copy(update={"max_output_age_s": 0.2}), TABLE)
    async with running(app):
        await app.state.readiness.settled()
        make(app.state.studio.outputs, 30)
        with anyio.fail_after(20):
            while list(settings.output_dir.iterdir()):  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.05)
