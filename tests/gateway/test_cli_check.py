"""`avatarchatbot check` and `compose`, with everything in one process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from comps.animation.avatars import PRESENTERS
from gateway.cli.main import app
from tests.gateway.conftest import free_ports

ROOT = Path(__file__).parents[2]
QUESTION = ROOT / "examples" / "question.wav"
ADA = PRESENTERS / "ada" / "portrait.png"
runner = CliRunner()


async def invoke(*arguments: object) -> Result:
    """Run a command in a thread, as it brings its own event loop."""
    return await asyncio.to_thread(runner.invoke, app, [str(argument) for argument in arguments])


async def test_good_inputs_end_well() -> None:
    result = await invoke("check", "--image", ADA, "--prompt", (await invoke("compose")).stdout)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("nothing to say against it") == 3


async def test_what_cannot_work_ends_with_1(tmp_path: Path) -> None:
    picture = tmp_path / "me.jpg"
    picture.write_bytes(ADA.read_bytes()[:5000])
    result = await invoke("check", "--image", picture, "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert not answer["usable"]
    assert answer["image"]["findings"][0]["severity"] == "error"


async def test_what_is_of_no_use_is_not_said_to_go_together_with_anything(tmp_path: Path) -> None:
    picture = tmp_path / "me.jpg"
    picture.write_bytes(ADA.read_bytes()[:5000])
    result = await invoke("check", "--image", picture, "--audio", QUESTION)
    assert "error" in result.stdout
    assert "together" not in result.stdout
    assert "together" in (await invoke("check", "--image", ADA, "--audio", QUESTION)).stdout


async def test_every_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    absent, empty = tmp_path / "none.jpg", tmp_path / "empty.wav"
    empty.touch()
    result = await invoke("check", "--image", absent, "--audio", empty)
    assert result.exit_code == 2
    assert f"there is no file {absent}\n{empty} is empty" in result.stderr


async def test_one_file_that_cannot_be_read_hides_nothing_of_the_others(tmp_path: Path) -> None:
    bad, empty = tmp_path / "bad.jpg", tmp_path / "empty.wav"
    bad.write_bytes(b"no picture")
    empty.touch()
    result = await invoke("check", "--image", bad, "--audio", empty, "--json")
    assert result.exit_code == 2
    assert f"{empty} is empty" in result.stderr
    answer = json.loads(result.stdout)
    assert [finding["code"] for finding in answer["image"]["findings"]] == ["image_unreadable"]
    assert "audio" not in answer


async def test_files_that_cannot_be_read_are_told_also_when_no_gateway_answers(tmp_path: Path) -> None:
    absent, nobody = tmp_path / "none.jpg", f"http://127.0.0.1:{free_ports(1)}"
    result = await invoke("check", "--image", absent, "--prompt", "hello", "--url", nobody)
    assert result.exit_code == 2
    assert f"there is no file {absent}\n" in result.stderr
    assert f"no gateway answers at {nobody}" in result.stderr


async def test_files_without_options_are_told_theirs() -> None:
    result = await invoke("check", "me.jpg", "my voice.wav", "prompt.txt", "odd.xyzzy")
    assert result.exit_code == 2
    assert (
        "avatarchatbot check --image me.jpg --audio 'my voice.wav' --prompt @prompt.txt --image|--audio|--prompt odd.xyzzy"
    ) in result.stderr.replace("\n", "")


async def test_the_command_told_has_the_options_given_already() -> None:
    result = await invoke("check", "a.png", "--prompt", "hello you", "--fix", "-o", "mended")
    assert result.exit_code == 2
    asked = "avatarchatbot check --prompt 'hello you' --fix --output mended --image a.png"
    assert asked in result.stderr.replace("\n", "")


@pytest.mark.parametrize(
    "arguments",
    [("a.png", "--image", "b.png"), ("a.png", "b.png"), ("a.wav", "--audio", "b.wav", "--prompt", "hello")],
)
async def test_an_option_is_not_told_twice(arguments: tuple[str, ...]) -> None:
    result = await invoke("check", *arguments)
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    option = "--audio" if "a.wav" in arguments else "--image"
    assert f"one file for each option: {option} can be given once only" in said
    assert said.count(option) == 1


async def test_liveavatar_is_looked_at_without_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DIR", "GPU_GIB"):
        monkeypatch.delenv(f"AVATAR_ANIMATION_LIVEAVATAR_{variable}", raising=False)
    unset = await invoke("check", "--engine", "liveavatar")
    assert unset.exit_code == 1
    assert "set AVATAR_ANIMATION_LIVEAVATAR_DIR to the program" in unset.stderr
    assert "or give --image, --audio or --prompt" in unset.stderr
    monkeypatch.setenv("AVATAR_ANIMATION_LIVEAVATAR_GPU_GIB", "24")
    small = await invoke("check", "--engine", "liveavatar")
    assert small.exit_code == 1
    assert "Use GPUs with more memory" in " ".join(small.stdout.split())
    monkeypatch.setenv("AVATAR_ANIMATION_LIVEAVATAR_GPU_GIB", "80")
    large = await invoke("check", "--engine", "liveavatar", "--json")
    assert large.exit_code == 0, large.output
    answer = json.loads(large.stdout)
    assert answer["usable"]
    assert answer["engine"]["measured"]["free_gib"] > answer["engine"]["measured"]["need_gib"]


async def test_an_engine_that_needs_no_gpu_has_nothing_to_check_by_itself() -> None:
    result = await invoke("check", "--engine", "portrait")
    assert result.exit_code == 1
    assert "the engine 'portrait' needs no GPU that could be too small" in result.stderr


async def test_mended_versions_are_new_files(tmp_path: Path) -> None:
    before = QUESTION.read_bytes()
    for name in ("question.fixed.wav", "question.fixed-2.wav"):
        result = await invoke("check", "--audio", QUESTION, "--fix", "-o", tmp_path)
        assert result.exit_code == 0, result.output
        assert "Changed the level" in result.stdout
        assert (tmp_path / name).stat().st_size > 1000
    assert QUESTION.read_bytes() == before
    again = json.loads((await invoke("check", "--audio", tmp_path / name, "--json")).stdout)
    assert again["audio"]["findings"] == []


async def test_a_prompt_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text("a cheerful man, frowning sadly")
    answer = json.loads((await invoke("check", "--prompt", f"@{file}", "--json")).stdout)
    assert answer["prompt"]["measured"]["words"] == 5


async def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    for arguments, code, words in (
        ((), 2, "nothing to check"),
        (("--image", tmp_path / "none.jpg"), 2, "there is no file"),
        (("--prompt", f"@{ADA}"), 2, "not text in UTF-8"),
        (("--prompt", "hi", "--engine", "nope"), 1, "it has: portrait"),
        (("--prompt", "hi", "--preset", "nope"), 1, "quick, standard, quality"),
        (("--audio", QUESTION, "--fix", "-o", tmp_path / "none"), 2, "does not exist"),
    ):
        result = await invoke("check", *arguments)
        assert result.exit_code == code, result.output
        assert words in result.stderr.replace("\n", " ")


async def test_a_prompt_is_composed_of_options() -> None:
    result = await invoke("compose", "--preset", "teacher", "--age", 60, "--glasses", "--json")
    answer = json.loads(result.stdout)
    assert "60-year-old" in answer["prompt"]
    assert 100 <= answer["words"] <= 200
    wrong = await invoke("compose", "--depth", "bottomless")
    assert wrong.exit_code == 1
    assert "shallow, deep" in wrong.stderr
