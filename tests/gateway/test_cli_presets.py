"""The presets at the command line: what they are, what they cost, and the line before the work."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.serve import running
from gateway.cli.presets import UNKNOWN, cost
from tests.animation.stand_in import ENHANCERS, TABLE
from tests.gateway.conftest import Stack, open_stack
from tests.gateway.test_cli import invoke


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """A gateway before the real animation service with a small engine."""
    settings = AnimationSettings(
        engine="stand-in",
        data_dir=tmp_path / "data",
        output_dir=tmp_path / "out",
        pace_dir=tmp_path / "pace",
        jobs_dir=tmp_path / "jobs",
        size=64,
    )
    async with AsyncExitStack() as exits:
        app = create_app(settings, TABLE, ENHANCERS)
        url = await exits.enter_async_context(running(app))
        await app.state.readiness.settled()
        yield await open_stack(exits, tmp_path, animation_url=url)


async def test_the_presets_are_listed_with_what_they_cost(stack: Stack) -> None:
    found = json.loads((await invoke("presets", "--url", stack.url, "--json")).stdout)
    assert [row["name"] for row in found["presets"]] == ["quick", "standard", "quality"]
    assert all(row["work_s"] > 0 for row in found["presets"])
    shown = await invoke("presets", "--url", stack.url)
    assert shown.exit_code == 0, shown.output
    assert "Engine stand-in on" in shown.stdout
    assert UNKNOWN not in shown.stdout
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["quick", "384", "px", "20", "none"] in [words[:5] for words in lines]


async def test_an_engine_that_cannot_run_here_is_not_known(stack: Stack) -> None:
    shown = await invoke("presets", "--engine", "absent", "--url", stack.url)
    assert shown.stdout.count(UNKNOWN) == 3
    assert "It cannot run here: engine 'absent' needs 'tests.animation.no_such_module'" in shown.stdout
    refused = await invoke("presets", "--engine", "magic", "--url", stack.url)
    assert refused.exit_code == 1
    assert "no engine 'magic'" in refused.stderr


async def test_what_a_video_costs_is_said_before_it_is_made_and_never_measured_for_that(
    stack: Stack, tmp_path: Path
) -> None:
    out = tmp_path / "say.mp4"
    made = await invoke("say", "One.", "-o", out, "--url", stack.url, "--preset", "quick")
    said = " ".join(made.stderr.split())
    assert "stand-in, quick: 384 px, 20 frames/s; how long it takes here is not known yet" in said
    assert not (tmp_path / "pace").exists()
    await invoke("presets", "--url", stack.url)
    made = await invoke("say", "One.", "-o", out, "--url", stack.url, "--preset", "quick", "--job")
    said = " ".join(made.stderr.split())
    assert re.search(r"stand-in, quick: 384 px, 20 frames/s; about \d+\.\d\d s of work for a second of speech", said)
    assert said.index("video stand-in") < said.index("job ")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("say", "One.", "--avatar", "nobody"), 1, "no avatar 'nobody'"),
        (("say", "One.", "--voice", "nobody"), 1, "no voice 'nobody'"),
        (("say", "One.", "--engine", "magic"), 1, "no engine 'magic'"),
        (("say", "One.", "--backdrop", "moon"), 2, "--backdrop: no backdrop 'moon'"),
        (("say", "One.", "--voice", "nobody", "--job"), 1, "no voice 'nobody'"),
        (("say", "One.", "--avatar", "nobody", "--job"), 1, "no avatar 'nobody'"),
        (("animate", "speech.wav", "--avatar", "nobody"), 1, "no avatar 'nobody'"),
        (("animate", "speech.wav", "--avatar", "speech.wav"), 1, "speech.wav: the bytes are no picture"),
        (("animate", "speech.wav", "--engine", "magic"), 1, "no engine 'magic'"),
        (("animate", "speech.wav", "--engine", "magic", "--job"), 1, "no engine 'magic'"),
        (("ask", "--text", "hello", "--voice", "nobody"), 1, "no voice 'nobody'"),
        (("ask", "--text", "hello", "--avatar", "nobody"), 1, "no avatar 'nobody'"),
    ],
)
async def test_what_there_is_not_is_refused_before_the_plan_is_told(
    stack: Stack,
    wav: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "speech.wav").write_bytes(wav)
    result = await invoke(*arguments, "-o", "out.mp4", "--url", stack.url)
    said = " ".join(result.stderr.split())
    assert result.exit_code == code, said
    assert sentence in said
    assert "stand-in, standard" not in said
    assert not (tmp_path / "out.mp4").exists()


async def test_the_plan_of_a_recording_is_told(stack: Stack, wav: bytes, tmp_path: Path) -> None:
    (tmp_path / "speech.wav").write_bytes(wav)
    made = await invoke("animate", tmp_path / "speech.wav", "-o", tmp_path / "out.mp4", "--url", stack.url)
    assert made.exit_code == 0, made.stderr
    assert made.stderr.count("stand-in, standard: ") == 1


def test_costs_are_said_as_people_say_them() -> None:
    assert [cost(seconds) for seconds in (None, 0.066, 12.345, 125.0)] == [UNKNOWN, "0.07 s", "12.35 s", "2 min 05 s"]
