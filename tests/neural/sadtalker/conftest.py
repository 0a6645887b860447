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


@pytest.fixture(scope="session")
def loaded(models: Path) -> Any:
    """What the engine loads, its generator by the quickest exact backend."""
    from comps.animation.engines.sadtalker.loading import load

    return load(AnimationSettings(models_dir=models, sadtalker_backend="winograd", sadtalker_batch=1))
