"""`avatarchatbot models`, with a table of three files on a local server; and as a program of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from comps.core.weights import importing, table
from gateway.cli.main import app
from tests.core.weights.file_server import CONTENT, SHA256, Answer, FileServer, serving

runner = CliRunner()
ONE, TWO, OLD = "one", "two", "old"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as server:
        yield server


@pytest.fixture
def models(server: FileServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder, and a table of `one` (documented hash, used with two) and `two` (none documented)."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    free = {"label": "MIT", "use": "any", "terms": "Any use.", "url": "https://example.org/mit"}
    narrow = {"label": "private", "use": "non-commercial", "terms": "No money.", "url": "https://example.org/nc"}
    rows: dict[str, Any] = {
        "licences": {"free": free, "narrow": narrow},
        "files": [
            {"name": "one.pth", "sha256": SHA256, "size": len(CONTENT), "urls": [f"{server.base}/one.pth"]},
            {"name": "two.pth", "sha256": None, "size": None, "urls": [f"{server.base}/two.pth"]},
        ],
        "models": [
            {
                "name": ONE,
                "summary": "the first",
                "files": ["one.pth"],
                "licence": "narrow",
                "engines": ["e"],
                "goes_with": [TWO],
            },
            {"name": TWO, "summary": "the second", "files": ["two.pth"], "licence": "free", "engines": ["e", "f"]},
        ],
    }
    parsed = table.parse(rows)
    for module in ("comps.core.weights.table", "gateway.cli.models"):
        monkeypatch.setattr(f"{module}.manifest", lambda: parsed)
    assert importing.documented(SHA256) == parsed[ONE].files[0]
    folder = tmp_path / "models"
    monkeypatch.setenv("AVATAR_MODELS_DIR", str(folder))
    return folder


def models_command(*arguments: object) -> Result:
    return runner.invoke(app, ["models", *map(str, arguments)])


def listed() -> dict[str, Any]:
    return {row["name"]: row for row in json.loads(models_command("list", "--json").stdout)}


def test_list_pull_verify(models: Path, server: FileServer) -> None:
    assert {name: row["state"] for name, row in listed().items()} == {ONE: "missing", TWO: "missing"}
    pulled = models_command("pull", ONE, TWO, "--yes")
    assert pulled.exit_code == 0, pulled.output
    assert "No money." in pulled.stderr
    assert "https://example.org/nc" in pulled.stderr
    assert f"first copy is trusted and later ones must equal it (sha256 {SHA256})" in pulled.stderr
    rows = listed()
    assert (rows[ONE]["state"], rows[TWO]["state"]) == ("verified", "first use")
    assert rows[ONE]["verified"]
    assert rows[ONE]["files"][0]["path"] == str(models / "one.pth")
    assert rows[ONE]["licence"]["use"] == "non-commercial"
    verified = models_command("verify")
    assert verified.exit_code == 0
    assert "one.pth" in verified.stdout


def test_the_table_names_what_matters(models: Path) -> None:
    shown = models_command("list").stdout
    assert all(word in shown for word in (ONE, TWO, "missing", "private", "MIT", "e, f", str(models)[:20]))


def test_what_is_there_is_not_asked_for(models: Path, server: FileServer) -> None:
    models_command("pull", ONE, "--yes")
    again = models_command("pull", ONE)
    assert again.exit_code == 0
    assert "No money." not in again.stderr
    assert "used together with: avatarchatbot models pull two" in again.stdout
    assert len(server.seen) == 1


def test_without_a_terminal_or_a_yes_nothing_is_fetched(models: Path, server: FileServer) -> None:
    refused = models_command("pull", ONE)
    assert refused.exit_code == 2
    assert "add --yes" in refused.stderr
    assert "No money." in refused.stderr
    assert server.seen == []


def test_a_failed_pull_says_why(models: Path, server: FileServer) -> None:
    server.plan = [Answer(status=404)]
    failed = models_command("pull", ONE, "--yes")
    assert failed.exit_code == 1
    assert "one.pth could not be fetched" in failed.stderr
    assert "404 Not Found" in failed.stderr


def test_a_mirror_is_tried_first(models: Path, server: FileServer) -> None:
    with serving() as mirror:
        pulled = models_command("pull", ONE, "--yes", "--mirror", f"{mirror.base}/m", "--json")
        assert [path for path, _ in mirror.seen] == ["/m/one.pth"]
    assert server.seen == []
    assert json.loads(pulled.stdout)[0]["state"] == "verified"


def test_verify_finds_damage(models: Path, server: FileServer) -> None:
    models_command("pull", ONE, TWO, "--yes")
    models.joinpath("two.pth").write_bytes(bytes(len(CONTENT)))
    damaged = models_command("verify", "--json")
    assert damaged.exit_code == 1
    assert json.loads(damaged.stdout) == {"one.pth": "verified", "two.pth": "damaged"}
    assert damaged.stderr == ""
    assert models_command("verify", ONE).exit_code == 0


def test_verify_of_what_is_missing(models: Path) -> None:
    assert models_command("verify").exit_code == 0
    missing = models_command("verify", ONE)
    assert missing.exit_code == 1
    assert "missing" in missing.stdout


def test_verify_says_when_it_records(models: Path) -> None:
    models.mkdir()
    models.joinpath("two.pth").write_bytes(b"by hand")
    first = models_command("verify")
    assert first.exit_code == 0
    assert "it is recorded now" in first.stderr
    assert hashlib.sha256(b"by hand").hexdigest() in models.joinpath("two.pth.sha256").read_text()
    assert "recorded now" not in models_command("verify").stderr


def test_import(models: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    stick.joinpath("renamed.bin").write_bytes(CONTENT)
    taken = models_command("import", stick)
    assert taken.exit_code == 0, taken.output
    assert "renamed.bin → one.pth" in taken.stdout
    assert "No money." in taken.stderr
    stick.joinpath("one.pth").write_bytes(b"no")
    wrong = models_command("import", stick, "--json")
    assert (wrong.exit_code, wrong.stderr) == (1, "")
    assert {row["state"] for row in json.loads(wrong.stdout)} == {"verified", "damaged"}


def test_import_of_nothing(models: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert models_command("import", tmp_path / "empty").exit_code == 2
    assert "is not a folder" in models_command("import", tmp_path / "none").stderr


@pytest.mark.parametrize("command", ["pull", "verify"])
def test_unknown_names_list_the_known(models: Path, command: str) -> None:
    unknown = models_command(command, "three")
    assert unknown.exit_code == 1
    assert "there is no model 'three'; there are one, two" in unknown.stderr


def test_as_users_run_it(server: FileServer, tmp_path: Path) -> None:
    """The real table, a real process: the one model that has no address of its own comes from a mirror."""
    arguments = ["pull", "wav2lip-sd", "--yes", "--folder", str(tmp_path), "--mirror", server.base]
    line = [sys.executable, "-m", "gateway.cli", "models", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(line, capture_output=True, text=True, env=environment, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert "non-commercial use only" in done.stderr.replace("\n", " ").replace("  ", " ")
    assert tmp_path.joinpath("Wav2Lip-SD-NOGAN.pt").read_bytes() == CONTENT
    assert "wav2lip-sd is in" in done.stdout
