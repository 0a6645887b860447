"""`avatarchatbot a2f serve` as a process: what it listens on, says and answers, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from gateway.cli.a2f_serve import Files
from gateway.cli.failure import UsageFailureError
from tests.audio2face.server.harness import clip, played
from tests.audio2face.test_pipeline import speech

FREE = ("--port", "0", "--http-port", "0", "--authoring-port", "0")


@asynccontextmanager
async def serving(*options: str, **variables: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """The process and its lines until it is ready, or ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", "a2f", "serve", *options, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **variables},
    )  # fmt: skip
    assert process.stderr is not None
    lines: list[str] = []
    try:
        while line := (await asyncio.wait_for(process.stderr.readline(), 100)).decode():
            lines.append(line.strip())
            if "Running..." in line:
                break
        yield process, lines
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]


async def test_it_says_running_answers_on_this_machine_and_ends_with_ctrl_c() -> None:
    async with serving(*FREE) as (process, lines):
        (port,) = (line.rpartition(" ")[2] for line in lines if "grpc listens on port" in line)
        heard = await played(f"127.0.0.1:{port}", clip(speech(0.5)))
        assert heard.code == grpc.StatusCode.OK
        assert len(heard.frames) == 16
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        rest = (await asyncio.wait_for(process.stderr.read(), 60)).decode()
        assert await process.wait() == 0
        assert "Traceback" not in rest


async def test_variables_hold_where_no_option_is_given() -> None:
    async with serving(*FREE, AVATAR_AUDIO2FACE_FPS="60", AVATAR_AUDIO2FACE_PROCESSES="0") as (_, lines):
        (port,) = (line.rpartition(" ")[2] for line in lines if "grpc listens on port" in line)
        heard = await played(f"127.0.0.1:{port}", clip(speech(0.5)))
        assert len(heard.frames) == 31


async def test_the_files_of_a_folder_hold_and_faults_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "mark_stylization_config.yaml").write_text("a2f: {face_params: {skin_strength: 9}}\n")
    async with serving("--config", str(tmp_path), *FREE) as (process, lines):
        assert await process.wait() == 1
    assert len(lines) == 1
    assert "mark_stylization_config.yaml:1: a2f/face_params/skin_strength: " in lines[0]


def test_a_folder_is_searched_and_single_files_go_over_it(tmp_path: Path) -> None:
    for name in ("mark_stylization_config.yaml", "deployment_config.yml", "advanced_config.yaml"):
        (tmp_path / name).touch()
    own = Path("own.yaml")
    found = Files(folder=tmp_path, advanced=own).settings()
    assert found == {
        "stylization_config": tmp_path / "mark_stylization_config.yaml",
        "deployment_config": tmp_path / "deployment_config.yml",
        "advanced_config": own,
    }
    assert Files().settings() == {}
    (tmp_path / "claire_stylization_config.yaml").touch()
    with pytest.raises(UsageFailureError, match="several files"):
        Files(folder=tmp_path).settings()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageFailureError, match="has no"):
        Files(folder=tmp_path / "empty").settings()
    with pytest.raises(UsageFailureError, match="not a folder"):
        Files(folder=tmp_path / "nowhere").settings()


async def test_a_port_that_is_taken_is_said_to_be_whose_and_how_to_choose_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for endpoint, option in (("HTTP", "--http-port"), ("authoring", "--authoring-port"), ("gRPC", "--port")):
            async with serving(*FREE, option, port) as (process, lines):
                assert await process.wait() == 1
            (said,) = lines
            assert said.startswith(f"{endpoint} needs port {port}, which is taken by ")
            assert said.endswith(f"choose another with {option}")
