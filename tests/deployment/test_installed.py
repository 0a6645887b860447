"""What pip puts into an environment, compiled and without the checkout, does what the checkout does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution as pip installs it, beside the dependencies of this environment."""
    target = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--compile", "--target", str(target))
    subprocess.run((*pip, str(ROOT)), check=True, capture_output=True, timeout=100)
    return target


def run(installed: Path, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed), "AVATAR_DATA_DIR": str(folder / "data")}
    command = (sys.executable, "-m", "gateway.cli", *arguments)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_shipped_presenters_are_there_and_one_speaks(installed: Path, tmp_path: Path) -> None:
    assert list((installed / "comps").rglob("__pycache__"))
    where = "import comps, gateway; print(comps.__path__[0])"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    found = subprocess.run((sys.executable, "-c", where), cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert Path(found.stdout.strip()) == installed / "comps"
    listed = run(installed, tmp_path, "avatars", "list")
    assert "ada" in listed
    assert "noor" in listed
    run(installed, tmp_path, "say", "Hello.", "-o", "hello.mp4")
    assert (tmp_path / "hello.mp4").stat().st_size > 10_000
