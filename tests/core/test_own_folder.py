from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from comps.core import own_folder
from comps.core.file_lock import try_lock
from comps.core.own_folder import MARK, OwnFolder

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


def left_over(folder: Path) -> Path:
    """A folder as a killed process leaves it."""
    folder.mkdir()
    for name in (MARK, "picture"):
        (folder / name).touch()
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_only_what_dead_processes_left_is_cleared(tmp_path: Path) -> None:
    left_over(tmp_path / "foreign")
    (tmp_path / "own-file").touch()
    with holder(tmp_path, stays=True) as running, holder(tmp_path, stays=True) as killed:
        used, left = place(running), place(killed)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        mine = OwnFolder(tmp_path, "own-")
        path = mine.path
        mine.clear_leftovers()
        assert not left.exists()
        assert {entry.name for entry in tmp_path.iterdir()} == {"foreign", "own-file", used.name, path.name}
        assert (used / "picture").exists()
        mine.close()
        running.kill()


def test_a_folder_of_somebody_else_survives_whatever_its_name_and_age(tmp_path: Path) -> None:
    for name, holds in (("own-clone", "work.py"), ("own-locked", "lock"), ("own-empty", "")):
        (tmp_path / name).mkdir()
        if holds:
            (tmp_path / name / holds).touch()
        os.utime(tmp_path / name, (0, 0))
    OwnFolder(tmp_path, "own-").clear_leftovers()
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.glob("**/*")} == {
        "own-clone", "own-clone/work.py", "own-locked", "own-locked/lock", "own-empty",
    }  # fmt: skip


def test_links_are_not_followed(tmp_path: Path) -> None:
    aim = left_over(tmp_path / "elsewhere")
    (tmp_path / "own-link").symlink_to(aim, target_is_directory=True)
    (tmp_path / "own-mark").mkdir()
    (tmp_path / "own-mark" / MARK).symlink_to(aim / MARK)
    OwnFolder(tmp_path, "own-").clear_leftovers()
    assert (aim / "picture").exists()
    assert (tmp_path / "own-link").is_symlink()
    assert (tmp_path / "own-mark" / MARK).is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="knows no user ids")
def test_folders_of_other_users_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = left_over(tmp_path / "own-theirs")
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: left.stat().st_uid + 1)
        OwnFolder(tmp_path, "own-").clear_leftovers()
    assert (left / "picture").exists()
    OwnFolder(tmp_path, "own-").clear_leftovers()
    assert not left.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="removes no open file")
def test_a_folder_cleared_before_it_was_locked_is_not_given_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process clears leftovers between the making of the folder and its lock."""
    cleared: list[set[str]] = []

    def late(file: BinaryIO) -> bool:
        monkeypatch.setattr(own_folder, "try_lock", try_lock)
        before = {path.name for path in tmp_path.iterdir()}
        OwnFolder(tmp_path, "own-").clear_leftovers()
        cleared.append(before - {path.name for path in tmp_path.iterdir()})
        return try_lock(file)

    monkeypatch.setattr(own_folder, "try_lock", late)
    folder = OwnFolder(tmp_path, "own-")
    path = folder.path
    assert path.is_dir()
    assert [len(names) for names in cleared] == [1]
    assert path.name not in cleared[0]
    OwnFolder(tmp_path, "own-").clear_leftovers()
    assert path.is_dir()
    folder.close()


@pytest.mark.skipif(sys.platform == "win32", reason="removes no open file")
def test_a_leftover_is_locked_while_it_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free: list[bool] = []
    remove = shutil.rmtree

    def watched(folder: Path, *, ignore_errors: bool) -> None:
        if folder.exists():
            with (folder / MARK).open("r+b") as lock:
                free.append(try_lock(lock))
        remove(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", watched)
    left = left_over(tmp_path / "own-left")
    OwnFolder(tmp_path, "own-").clear_leftovers()
    assert free == [False]
    assert not left.exists()


def test_it_goes_at_the_program_s_end_when_nobody_closed_it(tmp_path: Path) -> None:
    with holder(tmp_path, stays=False) as process:
        assert place(process).parent == tmp_path
    assert list(tmp_path.iterdir()) == []
