from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from comps.core.errors import BadRequestError
from comps.core.weights import ModelFolder, State, WeightFile, import_files, importing, manifest

BYTES = b"weights" * 100
KNOWN = WeightFile("known.pth", (), hashlib.sha256(BYTES).hexdigest(), len(BYTES), also=("known-1234.pth",))
UNKNOWN = WeightFile("unknown.pth", ())


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return ModelFolder(tmp_path / "models")


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    stick = tmp_path / "stick"
    (stick / "deep" / "folder").mkdir(parents=True)
    return stick


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    by_hash = {file.sha256: file for file in (KNOWN, UNKNOWN)}
    monkeypatch.setattr(importing, "documented", by_hash.get)


def test_files_are_found_below_by_name_other_name_or_hash(folder: ModelFolder, stick: Path) -> None:
    for name in ("deep/known.pth", "deep/folder/known-1234.pth", "renamed.bin"):
        for old in stick.rglob("*"):
            if old.is_file():
                old.unlink()
        stick.joinpath(name).write_bytes(BYTES)
        folder = ModelFolder(folder.path / name.replace("/", "_"))
        assert [(item.file, item.state) for item in import_files(stick, [KNOWN, UNKNOWN], folder)] == [
            (KNOWN, State.VERIFIED)
        ]
        assert folder.target(KNOWN).read_bytes() == BYTES
        assert stick.joinpath(name).exists()


def test_a_file_that_is_not_what_its_name_says_is_left(folder: ModelFolder, stick: Path) -> None:
    stick.joinpath("known.pth").write_bytes(BYTES.upper())
    assert [item.state for item in import_files(stick, [KNOWN], folder)] == [State.DAMAGED]
    assert folder.state(KNOWN) is State.MISSING


def test_a_hash_outweighs_a_name(folder: ModelFolder, stick: Path) -> None:
    stick.joinpath("unknown.pth").write_bytes(BYTES)
    assert [item.file for item in import_files(stick, [KNOWN, UNKNOWN], folder)] == [KNOWN]


def test_an_undocumented_file_is_taken_once(folder: ModelFolder, stick: Path) -> None:
    stick.joinpath("unknown.pth").write_bytes(b"first")
    assert [item.state for item in import_files(stick, [UNKNOWN], folder)] == [State.FIRST_USE]
    stick.joinpath("unknown.pth").write_bytes(b"second")
    assert [item.state for item in import_files(stick, [UNKNOWN], folder)] == [State.DAMAGED]
    assert folder.target(UNKNOWN).read_bytes() == b"first"


def test_other_files_are_not_touched(folder: ModelFolder, stick: Path) -> None:
    stick.joinpath("readme.txt").write_text("hello")
    assert import_files(stick, [KNOWN, UNKNOWN], folder) == []


def test_the_folder_itself_may_be_inside(stick: Path) -> None:
    folder = ModelFolder(stick / "models")
    stick.joinpath("known.pth").write_bytes(BYTES)
    import_files(stick, [KNOWN], folder)
    assert [item.source for item in import_files(stick, [KNOWN], folder)] == [stick / "known.pth"]


def test_a_folder_is_needed(folder: ModelFolder, stick: Path) -> None:
    with pytest.raises(BadRequestError, match="is not a folder"):
        import_files(stick / "none", [KNOWN], folder)


def test_the_real_table_can_be_imported_from_an_empty_folder(folder: ModelFolder, stick: Path) -> None:
    assert import_files(stick, [file for model in manifest().values() for file in model.files], folder) == []
