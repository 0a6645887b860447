from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from comps.core.own_folder import OwnFolder

HOLDER = """
import sys, time
from pathlib import Path
from comps.core.own_folder import OwnFolder
folder = OwnFolder(Path(sys.argv[1]), "own-")
(folder.path / "picture").touch()
print(folder.path, flush=True)
time.sleep(100 * float(sys.argv[2]))
"""


def holder(parent: Path, *, stays: bool) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", HOLDER, str(parent), "1" if stays else "0"]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def place(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def test_it_is_made_when_asked_for_and_removed(tmp_path: Path) -> None:
    folder = OwnFolder(tmp_path / "parent", "own-")
    folder.clear_leftovers()
    assert not (tmp_path / "parent").exists()
    path = folder.path
    assert path == folder.path
    assert path.parent == tmp_path / "parent"
    assert path.name.startswith("own-")
    folder.close()
    folder.close()
    assert not path.exists()
    assert folder.path != path
    folder.close()


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_only_what_dead_processes_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "own-file").touch()
    with holder(tmp_path, stays=True) as running, holder(tmp_path, stays=True) as killed:
        used, left = place(running), place(killed)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        mine = OwnFolder(tmp_path, "own-")
        path = mine.path
        (tmp_path / "own-young").mkdir()
        (tmp_path / "own-old").mkdir()
        os.utime(tmp_path / "own-old", (0, 0))
        mine.clear_leftovers()
        assert not left.exists()
        assert {entry.name for entry in tmp_path.iterdir()} == {
            "foreign", "own-file", "own-young", used.name, path.name,
        }  # fmt: skip
        assert (used / "picture").exists()
        mine.close()
        running.kill()


def test_it_goes_at_the_program_s_end_when_nobody_closed_it(tmp_path: Path) -> None:
    with holder(tmp_path, stays=False) as process:
        assert place(process).parent == tmp_path
    assert list(tmp_path.iterdir()) == []
