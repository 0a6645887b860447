from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from comps.core.weights import ModelFolder
from tests.core.weights.file_server import FileServer, serving


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFolder:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return ModelFolder(tmp_path / "models")
