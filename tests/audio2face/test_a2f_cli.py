"""`avatarchatbot a2f migrate` and `a2f params`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from comps.animation.audio2face import parameters
from gateway.cli.main import app
from tests.audio2face.test_migration import EXAMPLES


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["a2f", *map(str, arguments)])


def test_a_folder_is_migrated_and_nothing_is_overwritten(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(EXAMPLES / "v1.3" / "input", source)
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    assert invoke("migrate", source, "-o", out).exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(before)
    refused = invoke("migrate", source, "-o", out)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert invoke("migrate", source, "-o", out, "--force").exit_code == 0
    assert "stay as they are" in invoke("migrate", source, "-o", source, "--force").stderr
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


def test_check_and_diff_write_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    checked = invoke("migrate", EXAMPLES / "v1.2" / "input", "--check", "-o", out)
    assert checked.exit_code == 1
    shown = invoke("migrate", EXAMPLES / "v1.2" / "input", "--diff", "-o", out)
    assert shown.exit_code == 0
    assert "+  silence_padding_duration_second: 1.5" in shown.stdout
    assert not out.exists()


def test_check_of_files_of_2_0_is_content() -> None:
    assert invoke("migrate", EXAMPLES / "v1.2" / "expected_v2.0", "--check").exit_code == 0


def test_json_is_the_report(tmp_path: Path) -> None:
    result = invoke("migrate", EXAMPLES / "v1.0_docker" / "input", "-o", tmp_path / "out", "--json")
    report = json.loads(result.stdout)
    assert report["from"] == "1.0"
    assert "max_sample_rate_conflict" in report["warnings"]
    assert "mark_stylization_config.yaml" in report["files"]


def test_strict_writes_nothing_when_something_is_lost(tmp_path: Path) -> None:
    result = invoke("migrate", EXAMPLES / "v1.0_docker" / "input", "-o", tmp_path / "out", "--strict")
    assert result.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_a_broken_file_is_named_with_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "deployment_config.yaml"
    path.write_text("common:\n  stream_number: 3\n  stream_number: 4\n")
    result = invoke("migrate", path, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "deployment_config.yaml:3: common/stream_number: is there twice" in result.stderr


def test_without_the_library_the_command_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("ruamel")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
    result = invoke("migrate", EXAMPLES / "v1.2" / "input", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "pip install 'avatarchatbot[audio2face]'" in result.stderr


@pytest.mark.parametrize("width", ["80", "120"])
def test_params_fit_the_terminal(width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    shown = invoke("params").stdout
    assert max(map(len, shown.splitlines())) <= int(width)
    for row in parameters.FACE:
        assert (row.file or row.request or "") in shown


def test_params_as_json_has_every_parameter() -> None:
    lines = json.loads(invoke("params", "--json").stdout)
    named = {line["file"] or line["request"] for line in lines}
    assert {row.file or row.request for row in parameters.TABLE} <= named
    assert {"stream_number", "burst_mode", "use_gpu_solver"} <= named
    assert all(line["meaning"] and line["range"] for line in lines)


def test_an_unknown_word() -> None:
    result = invoke("params", "nosuchthing")
    assert result.exit_code == 2
