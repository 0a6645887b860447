from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from comps.animation.avatars import PRESENTERS
from comps.animation.engine import Avatar
from comps.animation.engines.liveavatar.launch import program
from comps.animation.settings import AnimationSettings

ROOT = Path(__file__).parents[3]
CARD = "NVIDIA H800, 81559, {free}, 9.0"

MakeSettings = Callable[..., AnimationSettings]


@dataclass(frozen=True)
class Machine:
    """A pretended machine: `checkout` of the program, the list of cards, and the file with the program's processes."""

    checkout: Path
    smi: Path
    pids: Path

    def cards(self, *lines: str) -> None:
        listed = "\n".join(f"{index}, {line}" for index, line in enumerate(lines))
        script(self.smi, f"cat <<'END'\n{listed}\nEND")

    def processes(self) -> list[int]:
        """The program's processes that still run."""
        numbers = [int(line) for line in self.pids.read_text().split()] if self.pids.exists() else []
        return [number for number in numbers if alive(number)]


def script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def eventually(true: Callable[[], bool], seconds: float = 40) -> None:
    """Wait until `true`; only for what other processes and tasks do."""
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never happened")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Five large cards, a checkout with every file that is looked for, and a stand-in for its Python."""
    checkout = tmp_path / "LiveAvatar"
    for part in (program.SCRIPT, program.TRAINING_CONFIG, program.STREAMING_MODULE):
        (checkout / part).parent.mkdir(parents=True, exist_ok=True)
        (checkout / part).touch()
    weights = checkout / "ckpt" / "Wan2.2-S2V-14B"
    weights.mkdir(parents=True)
    with (weights / "diffusion_pytorch_model-00001-of-00004.safetensors").open("wb") as file:
        os.truncate(file.fileno(), program.LEAST_WEIGHTS_BYTES)  # takes no room on the disk
    (checkout / "ckpt" / "LiveAvatar").mkdir()
    (checkout / "ckpt" / "LiveAvatar" / "liveavatar.safetensors").touch()
    (checkout / ".venv" / "bin").mkdir(parents=True)
    python = f"PYTHONPATH='{ROOT}' exec '{sys.executable}' -m tests.animation.liveavatar.stand_in \"$@\""
    script(checkout / ".venv" / "bin" / "python", python)
    pids = tmp_path / "pids"
    monkeypatch.setenv("STAND_IN_PIDS", str(pids))
    machine = Machine(checkout, tmp_path / "nvidia-smi", pids)
    machine.cards(*[CARD.format(free=81_000)] * 5)
    return machine


@pytest.fixture
def make_settings(machine: Machine, tmp_path: Path) -> MakeSettings:
    def make(**values: Any) -> AnimationSettings:
        usual: dict[str, Any] = {
            "engine": "liveavatar",
            "liveavatar_dir": machine.checkout,
            "liveavatar_nvidia_smi": str(machine.smi),
            "liveavatar_size": "384*256",
            "liveavatar_stop_s": 2,
            "liveavatar_backoff_s": 0.05,
            "liveavatar_start_s": 60,
            "liveavatar_peaks_dir": tmp_path / "peaks",
            "data_dir": tmp_path / "data",
            "output_dir": tmp_path / "out",
            "size": 64,
            "max_audio_s": 20,
            "shutdown_grace_s": 1,
        }
        return AnimationSettings(**{**usual, **values})

    return make


@pytest.fixture
def avatar() -> Avatar:
    folder = PRESENTERS / "ada"
    return Avatar("ada", "Ada", folder / "portrait.png", folder / "rig.json")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "wide.png"
    cv2.imwrite(str(path), np.full((90, 160, 3), 90, np.uint8))
    return path
