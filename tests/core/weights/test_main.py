"""What a container runs at start, against a table of one file on a local server."""

from __future__ import annotations

from pathlib import Path

import pytest

import comps.core.weights.__main__ as command
from comps.core.weights import Licence, Model
from tests.core.weights.file_server import CONTENT, Answer, FileServer

TERMS = Licence("MIT", "any", "Any use.", "https://example.org/licence")


@pytest.fixture
def table(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model("tiny", "a tiny one", (server.file(),), TERMS, ("none",))
    monkeypatch.setattr(command, "manifest", lambda: {"tiny": model})


@pytest.mark.usefixtures("table")
def test_files_are_fetched_and_licences_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path), "tiny"]) == 0
    assert tmp_path.joinpath("w.pth").read_bytes() == CONTENT
    assert capsys.readouterr().err == "tiny: licence MIT. Any use. https://example.org/licence\n"


@pytest.mark.usefixtures("table")
def test_a_failure_is_one_sentence(server: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.plan = [Answer(status=404)]
    assert command.main([str(tmp_path), "tiny"]) == 1
    assert "w.pth could not be fetched" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["folder", "nothing"]])
def test_wrong_use_names_the_models(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments) == 2
    assert "whisper-small" in capsys.readouterr().err
