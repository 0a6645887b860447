"""Nothing of a program is left, however its starter ends and whatever sessions it has made."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from comps.animation.engines.liveavatar import process
from comps.animation.engines.liveavatar.process import LEASH, ProcessGroup, free_port
from comps.core.errors import EngineUnavailableError
from tests.animation.liveavatar.conftest import alive, eventually

FAMILY = """
import os, signal, subprocess, sys, time
if {deaf}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open({path!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
{then}
"""


def family(path: Path, then: str = "time.sleep(600)", deaf: bool = False) -> list[str]:
    """A program that starts a process in a session of its own and then does `then`."""
    return [sys.executable, "-c", FAMILY.format(path=str(path), then=then, deaf=deaf)]


def members(path: Path) -> list[int]:
    return [int(number) for number in path.read_text().split()] if path.exists() else []


async def grown(path: Path) -> list[int]:
    await eventually(lambda: len(members(path)) == 2)
    return members(path)


def start_leash(command: list[str], grace_s: float = 1.0) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", str(LEASH), str(grace_s), "", *command], stdin=subprocess.PIPE, start_new_session=True
    )


@pytest.mark.parametrize("deaf", [False, True])
async def test_closing_the_input_ends_all(tmp_path: Path, deaf: bool) -> None:
    leash = start_leash(family(tmp_path / "pids", deaf=deaf), 0.3)
    pids = await grown(tmp_path / "pids")
    assert all(map(alive, pids))
    assert leash.stdin is not None
    leash.stdin.close()
    await asyncio.to_thread(leash.wait, 20)
    assert not any(map(alive, pids))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_signals_end_all(tmp_path: Path, number: int) -> None:
    leash = start_leash(family(tmp_path / "pids"))
    pids = await grown(tmp_path / "pids")
    leash.send_signal(number)
    await asyncio.to_thread(leash.wait, 20)
    assert not any(map(alive, pids))
    assert leash.stdin is not None
    leash.stdin.close()


async def test_orphans_of_a_program_that_ended_are_ended(tmp_path: Path) -> None:
    leash = start_leash(family(tmp_path / "pids", then="sys.exit(7)"))
    assert await asyncio.to_thread(leash.wait, 20) == 7
    assert not any(map(alive, members(tmp_path / "pids")))
    assert leash.stdin is not None
    leash.stdin.close()


async def test_a_starter_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    """The starter is a process of its own, killed as an out-of-memory killer does it."""
    code = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-I', {str(LEASH)!r}, '1', '', *sys.argv[1:]], stdin=subprocess.PIPE)\n"
        "time.sleep(600)"
    )
    starter = await asyncio.create_subprocess_exec(sys.executable, "-c", code, *family(tmp_path / "pids"))
    pids = await grown(tmp_path / "pids")
    starter.kill()
    await starter.wait()
    await eventually(lambda: not any(map(alive, pids)))


async def test_a_leash_that_is_killed_asks_the_program_to_end(tmp_path: Path) -> None:
    then = "signal.signal(signal.SIGTERM, lambda *_: (child.terminate(), sys.exit(0))); time.sleep(600)"
    leash = start_leash(family(tmp_path / "pids", then=then))
    pids = await grown(tmp_path / "pids")
    await asyncio.sleep(0.2)  # until it has set up what it does when asked to end
    leash.kill()
    await asyncio.to_thread(leash.wait, 20)
    await eventually(lambda: not any(map(alive, pids)))
    assert leash.stdin is not None
    leash.stdin.close()


@pytest.mark.parametrize(("end", "code"), [("sys.exit(0)", 0), ("os.kill(os.getpid(), 9)", 137), ("1/0", 1)])
async def test_the_exit_code_is_the_programs(tmp_path: Path, end: str, code: int) -> None:
    group = await ProcessGroup.start(family(tmp_path / "pids", then=end), tmp_path, os.environ, 1.0)
    assert await group.wait() == code
    await group.stop()


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    group = await ProcessGroup.start(["/nowhere/python"], tmp_path, os.environ, 1.0)
    assert await group.wait() == 127
    assert "No such file" in group.lines[-1]
    await group.stop()


async def test_output_is_cut_into_lines_and_bounded(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.stdout.write('10%|#  | 1/4\\r100%|###| 4/4\\r\\nx\\n' + 'y' * 20_000)\n"
        "sys.stderr.write('oops\\n' * 500)"
    )
    seen: list[str] = []
    group = await ProcessGroup.start([sys.executable, "-c", code], tmp_path, os.environ, 1.0, seen.append)
    await group.wait()
    await group.stop()
    assert {"10%|#  | 1/4", "100%|###| 4/4", "x", "oops"} < set(seen)
    assert max(map(len, seen)) <= process.LINE_BYTES
    assert len(group.lines) == process.LAST_LINES


async def test_stopping_twice(tmp_path: Path) -> None:
    group = await ProcessGroup.start(family(tmp_path / "pids"), tmp_path, os.environ, 1.0)
    pids = await grown(tmp_path / "pids")
    await group.stop()
    await group.stop()
    assert not any(map(alive, [group.pid, *pids]))


def test_ports_are_free() -> None:
    assert 1024 <= free_port() <= 65_535


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="cannot be started: No such file"):
        await ProcessGroup.start([sys.executable], tmp_path / "gone", os.environ, 1.0)


async def test_private_text_is_cut_off(tmp_path: Path) -> None:
    prompt = "A woman of thirty with long black hair and brown eyes."
    seen: list[str] = []
    code = f"print('Input prompt: {prompt}'); print('args: prompt=', {prompt!r}, 'seed=1'); print('A woman')"
    group = await ProcessGroup.start(
        [sys.executable, "-c", code], tmp_path, os.environ, 1.0, seen.append, private=prompt
    )
    await group.wait()
    await group.stop()
    assert seen == ["Input prompt: …", "args: prompt= …", "A woman"]
    assert list(group.lines) == seen


async def test_a_program_that_ends_before_its_children_leaves_no_zombie(tmp_path: Path) -> None:
    """The child ignores the request to end, so that it outlives the program and is inherited."""
    code = (
        "import signal, subprocess, sys, time\n"
        "deaf = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)'\n"
        "child = subprocess.Popen([sys.executable, '-c', deaf], start_new_session=True, stdout=subprocess.PIPE)\n"
        "child.stdout.read(1)\n"
        f"open({str(tmp_path / 'pids')!r}, 'w').write(f'{{child.pid}} {{child.pid}}')\n"
        "time.sleep(600)"
    )
    leash = start_leash([sys.executable, "-c", code], 0.5)
    pids = await grown(tmp_path / "pids")
    assert leash.stdin is not None
    leash.stdin.close()
    await asyncio.to_thread(leash.wait, 20)
    assert not any(map(alive, pids))


@pytest.mark.parametrize(("then", "kept"), [("sys.exit(0)", True), ("time.sleep(600)", False)])
async def test_files_of_a_run_that_was_ended_are_removed(tmp_path: Path, then: str, kept: bool) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "video.mp4").touch()
    group = await ProcessGroup.start(family(tmp_path / "pids", then), tmp_path, os.environ, 1.0, folder=folder)
    await grown(tmp_path / "pids")
    if kept:
        await group.wait()
    await group.stop()
    assert folder.exists() is kept
