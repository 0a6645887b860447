from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from comps.animation.engines.liveavatar.launch.gpus import Gpu
from comps.animation.engines.liveavatar.launch.recent import RecentGpus
from comps.core.errors import EngineUnavailableError
from tests.animation.liveavatar.conftest import script


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def counted(smi: Path, body: str) -> str:
    """The name of a program that leaves a line for each of its runs."""
    script(smi, f'echo run >> "$0.runs"\n{body}')
    return str(smi)


def runs(smi: str) -> int:
    return len(Path(f"{smi}.runs").read_text().split())


def test_an_answer_holds_until_it_is_old(tmp_path: Path) -> None:
    clock = Clock()
    recent = RecentGpus(3, clock)
    smi = counted(tmp_path / "smi", "echo '0, Card, 24564, 2048, 8.9'")
    first = recent(smi)
    assert [gpu.free_gib for gpu in first] == [2]
    clock.now = 2.9
    assert recent(smi) == first
    assert runs(smi) == 1
    counted(tmp_path / "smi", "echo '0, Card, 24564, 1024, 8.9'")
    clock.now = 3.1
    assert [gpu.free_gib for gpu in recent(smi)] == [1]
    assert runs(smi) == 2


def test_that_there_are_none_is_remembered_too(tmp_path: Path) -> None:
    clock = Clock()
    recent = RecentGpus(3, clock)
    smi = counted(tmp_path / "smi", "echo 'no driver' >&2; exit 9")
    for _ in range(2):
        with pytest.raises(EngineUnavailableError, match="found none: no driver"):
            recent(smi)
    assert runs(smi) == 1
    counted(tmp_path / "smi", "echo '0, Card, 24564, 1024, 8.9'")
    clock.now = 4
    assert len(recent(smi)) == 1


def test_threads_that_ask_at_once_share_one_run(tmp_path: Path) -> None:
    smi = counted(tmp_path / "smi", "sleep 0.2\necho '0, Card, 24564, 1024, 8.9'")
    recent = RecentGpus(60)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(recent, [smi] * 8))
    assert {gpu for answer in answers for gpu in answer} == {Gpu(0, "Card", 24564 / 1024, 1, (8, 9))}
    assert runs(smi) == 1


def test_another_program_is_asked_anew(tmp_path: Path) -> None:
    recent = RecentGpus(60)
    one = counted(tmp_path / "one", "echo '0, One, 24564, 1024, 8.9'")
    two = counted(tmp_path / "two", "echo '0, Two, 24564, 1024, 8.9'")
    assert [recent(smi)[0].name for smi in (one, two)] == ["One", "Two"]
