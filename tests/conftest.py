"""How the tests are run, wherever they are started from, and shared out between processes."""

from __future__ import annotations

import signal

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/gateway/", "tests/neural/sadtalker/", "tests/acceptance/")
"""Folders whose files share started services or written models, of which each process would make its own.

They come first, the longest before the others: what is begun last shall be short, or one process waits for another.
"""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell starts what it runs in the background; programs that tests start would ignore Ctrl-C, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class FileScheduling(LoadFileScheduling):
    """All tests of a file, or of a folder of `TOGETHER`, are run by one process."""

    def _split_scope(self, nodeid: str) -> str:
        return _folder(nodeid) or super()._split_scope(nodeid)


def _folder(nodeid: str) -> str:
    return next((folder for folder in TOGETHER if nodeid.startswith(folder)), "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: TOGETHER.index(folder) if (folder := _folder(item.nodeid)) else len(TOGETHER))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling | None:
    return FileScheduling(config, log) if config.getvalue("dist") == "loadfile" else None
