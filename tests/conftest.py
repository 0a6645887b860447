"""How the tests are shared out between processes: by file, but where files share what takes long to make."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/acceptance/", "tests/gateway/", "tests/neural/sadtalker/")
"""Folders whose files share started services or written models, of which each process would make its own."""


class FileScheduling(LoadFileScheduling):
    """All tests of a file, or of a folder of `TOGETHER`, are run by one process."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling | None:
    return FileScheduling(config, log) if config.getvalue("dist") == "loadfile" else None
