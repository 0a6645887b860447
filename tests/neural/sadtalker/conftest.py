from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.neural.sadtalker.models import write_new_set


@pytest.fixture(scope="session")
def models() -> Iterator[Path]:
    """A folder with the new set; deleted afterwards, as it is large."""
    with tempfile.TemporaryDirectory(prefix="avatarchatbot-test-") as folder:
        write_new_set(Path(folder))
        yield Path(folder)
