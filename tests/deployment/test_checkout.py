"""What a checkout offers: the targets of make, and commands of the README that leave nothing for git to report."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import TOGETHER

ROOT = Path(__file__).resolve().parents[2]


def make(*arguments: str) -> str:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    # these tests are themselves run by make, whose variables would make this one talk about folders
    alone = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", *arguments], cwd=ROOT, env=alone, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((), "--port 3009 --base-port 0"),
        (("PORT=3010",), "--port 3010 --base-port 0"),
        (("PORT=8080", "BASE_PORT=8081"), "--port 8080 --base-port 8081"),
    ],
)
def test_page_and_services_get_the_ports_they_are_given(arguments: tuple[str, ...], options: str) -> None:
    assert f"avatarchatbot up {options}\n" in make("-n", "up", *arguments)


def test_installing_says_so_first(tmp_path: Path) -> None:
    said = make("-n", "install", f"VENV={tmp_path / 'venv'}").splitlines()
    assert said[0].startswith('echo "installing into ')
    assert "about 530 MB" in said[0]


def test_help_lists_the_targets() -> None:
    listed = make("help")
    assert all(f"make {target} " in listed for target in ("install", "demo", "up", "test"))


def test_what_the_readme_makes_is_ignored_by_git() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    outputs = set(re.findall(r"-o ([\w./-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert len(outputs) >= 4
    ignored = subprocess.run(["git", "check-ignore", *sorted(outputs)], cwd=ROOT, capture_output=True, text=True)
    assert set(ignored.stdout.split()) == outputs
    kept = subprocess.run(["git", "check-ignore", "docs/answer.mp4", "other.mp4"], cwd=ROOT, capture_output=True)
    assert kept.returncode == 1


def test_folders_whose_tests_one_process_runs_are_there() -> None:
    assert all((ROOT / folder).is_dir() for folder in TOGETHER)


def test_torch_is_asked_for_files_that_have_such_tests() -> None:
    command = make("-n", "test-torch").splitlines()[-1]
    listed = subprocess.run(command[command.index("$(") + 2 : -1], shell=True, cwd=ROOT, capture_output=True, text=True)  # noqa: S602
    files = listed.stdout.split()
    assert "tests/neural/test_networks.py" in files
    assert files == sorted(files)
    assert "tests/deployment/test_checkout.py" not in files
