"""Nothing of the product outlives the death, by SIGKILL, of what started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.acceptance.stack import alive, all_free, product

_TESTS = """
import sys
from pathlib import Path
from tests.acceptance.stack import product
with product(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


def until_gone(folder: Path) -> None:
    deadline = time.monotonic() + 30
    while found := alive(folder):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_the_services_end_when_up_is_killed(tmp_path: Path) -> None:
    with product(tmp_path) as running:
        assert len(alive(tmp_path)) == 5
        running.process.kill()
        running.process.wait()
        until_gone(tmp_path)
        assert all_free(running.ports())


def test_up_and_its_services_end_when_the_tests_that_started_them_are_killed(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    line = [sys.executable, "-c", _TESTS, str(tmp_path)]
    with subprocess.Popen(line, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tests:
        try:
            assert tests.stdout is not None
            assert tests.stdout.readline() == b"ready\n"
            assert len(alive(tmp_path)) == 5
        finally:
            os.kill(tests.pid, signal.SIGKILL)
    until_gone(tmp_path)
