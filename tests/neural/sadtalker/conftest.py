from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comps.animation.settings import AnimationSettings
from tests.neural.sadtalker.models import write_new_set, write_old_set


@pytest.fixture(scope="session")
def models() -> Iterator[Path]:
    """A folder with the new set; deleted afterwards, as it is large."""
    with tempfile.TemporaryDirectory(prefix="avatarchatbot-test-") as folder:
        write_new_set(Path(folder))
        yield Path(folder)


@pytest.fixture(scope="session")
def old_models() -> Iterator[Path]:
    """A folder with the old set."""
    with tempfile.TemporaryDirectory(prefix="avatarchatbot-test-") as folder:
        write_old_set(Path(folder))
        yield Path(folder)


def small(settings: AnimationSettings) -> AnimationSettings:
    """The settings for pictures of 128 pixels, the least the networks take: four times as quick as the least offered."""
    return settings.model_copy(update={"sadtalker_size": 128})


@pytest.fixture(scope="session")
def loaded(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the engine loads, for small pictures."""
    from comps.animation.engines.sadtalker.loading import load

    folder = of_size(models, 128, tmp_path_factory.mktemp("small") / "models")
    return load(small(AnimationSettings(models_dir=folder, sadtalker_backend="folded", sadtalker_batch=1)))


def of_size(models: Path, size: int, folder: Path) -> Path:
    """A folder with the files for pictures of `size` pixels, whose networks are the same."""
    folder.mkdir()
    for path in models.iterdir():
        (folder / path.name.replace("_256", f"_{size}")).symlink_to(path)
    return folder
