"""Long videos at the command line, as a program of its own and against a gateway by URL."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest

from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.media.audio import encode_audio
from comps.core.serve import running
from gateway.cli.job_runs import LONG_S, is_long
from tests.animation.stand_in import ENHANCERS, TABLE, StandIn
from tests.gateway.conftest import Stack, open_stack
from tests.gateway.test_cli import command, invoke, video_of


def recording(folder: Path, seconds: float) -> Path:
    time_s = np.arange(round(seconds * 16_000)) / 16_000
    path = folder / "speech.wav"
    loud = 8000 * (0.6 + 0.4 * np.sin(time_s * 5))
    path.write_bytes(encode_audio((np.sin(time_s * 2 * np.pi * 180) * loud).astype(np.int16), 16_000, "wav"))
    return path


@pytest.fixture
async def animation(tmp_path: Path) -> AsyncIterator[tuple[str, StandIn]]:
    """URL and engine of an animation service."""
    settings = AnimationSettings(
        engine="stand-in",
        data_dir=tmp_path / "data",
        output_dir=tmp_path / "out",
        pace_dir=tmp_path / "pace",
        jobs_dir=tmp_path / "jobs",
        jobs_segment_s=0.4,
        size=64,
    )
    app = create_app(settings, TABLE, ENHANCERS)
    async with running(app) as url:
        await app.state.readiness.settled()
        yield url, app.state.studio.engines.loaded["stand-in"]


@pytest.fixture
async def stack(tmp_path: Path, animation: tuple[str, StandIn]) -> AsyncIterator[Stack]:
    async with AsyncExitStack() as exits:
        yield await open_stack(exits, tmp_path, animation_url=animation[0])


def jobs_in(folder: Path) -> list[str]:
    return [path.name for path in (folder / "jobs").iterdir()]


async def test_a_job_is_made_and_fetched_and_leaves_nothing(stack: Stack, tmp_path: Path) -> None:
    out = tmp_path / "job.mp4"
    result = await invoke("animate", recording(tmp_path, 1.5), "--job", "-o", out, "--url", stack.url)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}: 1.52 s at 25 fps\n"
    said = " ".join(result.stderr.split())
    assert re.search(rf"jobs resume [0-9a-f]{{32}} -o {out} --url {stack.url}", said)
    assert video_of(out)[0] == 38
    assert jobs_in(tmp_path) == []
    result = await invoke("say", "One. Two.", "--job", "-o", out, "--url", stack.url, "--json", "--preset", "quick")
    report = json.loads(result.stdout)
    assert (report["state"], report["preset"], report["output"]) == ("done", "quick", str(out))


async def begun(folder: Path) -> str:
    """The one job, once it is there."""
    for _ in range(600):
        found = [name for name in jobs_in(folder) if not name.startswith(".")] if (folder / "jobs").is_dir() else []
        if found:
            return found[0]
        await asyncio.sleep(0.05)
    raise AssertionError("no job was begun")


async def test_a_job_is_shown_stopped_gone_on_with_and_removed(
    stack: Stack, animation: tuple[str, StandIn], tmp_path: Path
) -> None:
    animation[1].delay_s = 0.05
    out = tmp_path / "job.mp4"
    making = asyncio.ensure_future(invoke("animate", recording(tmp_path, 4.0), "--job", "-o", out, "--url", stack.url))
    job = await begun(tmp_path)
    shown = await invoke("jobs", "show", job, "--url", stack.url)
    assert re.search(rf"{job}: (running|queued), \d+ of 10 segments, [\d.]+ of 4 s", shown.stdout), shown.output
    stopped = json.loads((await invoke("jobs", "cancel", job, "--url", stack.url, "--json")).stdout)
    assert stopped["state"] == "cancelled"
    result = await making
    assert result.exit_code == 1
    assert f"jobs resume {job}" in " ".join(result.stderr.split())
    animation[1].delay_s = 0.0
    result = await invoke("jobs", "resume", job, "-o", out, "--url", stack.url)
    assert result.exit_code == 0, result.output
    assert video_of(out)[0] == 100
    missing = await invoke("jobs", "show", job, "--url", stack.url)
    assert (missing.exit_code, "no such job" in missing.stderr) == (1, True)


async def test_purging_at_the_command_line(stack: Stack, animation: tuple[str, StandIn], wav: bytes) -> None:
    answer = await stack.client.post("/v1/jobs", json={"audio": base64.b64encode(wav).decode()})
    job = answer.json()["id"]
    result = await invoke("jobs", "cancel", job, "--purge", "--url", stack.url)
    assert (result.exit_code, result.stdout) == (0, f"{job}: removed\n")
    assert (await stack.client.get(f"/v1/jobs/{job}")).status_code == 404


BAD: list[tuple[tuple[str, ...], int, str]] = [
    (("animate", "nowhere.wav", "--job"), 2, "no file nowhere.wav"),
    (("say", " ", "--job"), 2, "nothing to say"),
    (("say", "x", "--job", "-o", "a.avi"), 2, "does not end in .mp4"),
    (("say", "x", "--job", "--alignment", "a.json"), 2, "not written by a job"),
    (("say", "x", "--job", "--preset", "draft"), 2, "quick, standard, quality"),
    (("jobs", "resume", "0" * 32), 1, "no such job"),
    (("jobs", "show", "x"), 1, "no such job"),
]


@pytest.mark.parametrize(("arguments", "code", "sentence"), BAD, ids=[" ".join(case[0]) for case in BAD])
async def test_what_goes_wrong_is_one_sentence(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = await invoke(*arguments, "--url", stack.url)
    assert result.exit_code == code, result.output
    assert sentence in " ".join(result.stderr.split())
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".mp4")]


def test_long_recordings_are_jobs(tmp_path: Path) -> None:
    assert not is_long(recording(tmp_path, 2.0))
    assert is_long(recording(tmp_path, LONG_S + 1))
    assert not is_long(tmp_path / "nowhere.wav")
    (tmp_path / "noise.wav").write_bytes(b"no sound at all")
    assert not is_long(tmp_path / "noise.wav")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_program_is_gone_on_with(tmp_path: Path, how: signal.Signals) -> None:
    """With nothing else running: everything is in the program's own process."""
    speech, out = recording(tmp_path, 12), tmp_path / "job.mp4"
    places = {
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "AVATAR_ANIMATION_JOBS_SEGMENT_S": "0.5",
        "COLUMNS": "300",
    }
    line = [sys.executable, "-m", "gateway.cli", "animate", str(speech), "--job", "--size", "512", "-o", str(out)]
    process = subprocess.Popen(line, env={**os.environ, **places}, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    folder = tmp_path / "data" / "avatarchatbot" / "jobs"
    deadline = time.monotonic() + 90
    while not list(folder.glob("[0-9a-f]*/00001.mp4")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    job = next(path.name for path in folder.iterdir())
    assert f"jobs resume {job} -o {out}" in said
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "what is finished is kept" in said
    assert not out.exists()
    state = json.loads(command(tmp_path, "jobs", "show", job, "--json").stdout)
    assert state["state"] == ("cancelled" if how == signal.SIGINT else "failed")
    assert state["segments_done"] >= 2
    resumed = command(tmp_path, "jobs", "resume", job, "-o", out)
    assert resumed.returncode == 0, resumed.stderr
    assert video_of(out)[0] == 300
    assert list(folder.iterdir()) == []


async def test_jobs_of_a_closed_terminal_are_found_again(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVATAR_ANIMATION_JOBS_DIR", str(tmp_path / "jobs"))
    monkeypatch.setenv("COLUMNS", "80")
    nothing = await invoke("jobs", "list")
    assert (nothing.exit_code, "no jobs" in nothing.stdout) == (0, True), nothing.output
    answer = await stack.client.post("/v1/jobs", json={"text": "One. Two."})
    job = answer.json()["id"]
    table = await invoke("jobs", "list")
    assert job in table.stdout
    (listed,) = json.loads((await invoke("jobs", "list", "--json")).stdout)
    assert (listed["id"], listed["engine"]) == (job, "stand-in")


async def test_what_is_too_long_to_be_made_at_once_is_shown_the_way_to_a_job(tmp_path: Path) -> None:
    settings = AnimationSettings(engine="stand-in", data_dir=tmp_path / "data", size=64, max_audio_s=1.0)
    async with AsyncExitStack() as exits:
        url = await exits.enter_async_context(running(create_app(settings, TABLE, ENHANCERS)))
        stack = await open_stack(exits, tmp_path, animation_url=url, max_audio_s=1.0)
        for path, body in (
            ("/v1/say", {"text": "One. Two. Three."}),
            ("/v1/animate", {"audio": base64.b64encode(recording(tmp_path, 2.0).read_bytes()).decode()}),
        ):
            refused = await stack.client.post(path, json=body)
            assert refused.status_code == 413
            assert "POST /v1/jobs makes longer videos" in refused.json()["error"]["message"]
        for words in (("say", "One. Two. Three."), ("animate", tmp_path / "speech.wav")):
            said = await invoke(*words, "-o", tmp_path / "a.mp4", "--url", stack.url)
            assert said.exit_code == 1
            assert "longer than 1 s, which is the limit; --job of" in " ".join(said.stderr.split())
