from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from comps.animation.settings import AnimationSettings
from comps.core.errors import EngineUnavailableError
from comps.core.weights import ModelFolder, State, WeightFile, find, models_folder, require, state_of
from comps.core.weights.folder import worst

BYTES = b"weights"
SHA256 = hashlib.sha256(BYTES).hexdigest()
KNOWN = WeightFile("known.pth", (), SHA256, len(BYTES))
UNKNOWN = WeightFile("unknown.pth", ())


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return ModelFolder(tmp_path)


def put(folder: ModelFolder, file: WeightFile, data: bytes = BYTES) -> None:
    folder.target(file).write_bytes(data)


def test_a_file_goes_from_missing_to_verified(folder: ModelFolder) -> None:
    assert folder.state(KNOWN) is State.MISSING
    folder.part(KNOWN).write_bytes(b"we")
    assert folder.state(KNOWN) is State.PARTIAL
    put(folder, KNOWN)
    assert folder.state(KNOWN) is State.UNCHECKED
    assert folder.check(KNOWN) is State.VERIFIED
    assert folder.state(KNOWN) is State.VERIFIED


def test_a_file_of_the_wrong_size_is_damaged_without_reading_it(folder: ModelFolder) -> None:
    put(folder, KNOWN, b"weight")
    assert folder.state(KNOWN) is State.DAMAGED


def test_a_changed_file_is_unchecked_then_damaged(folder: ModelFolder) -> None:
    put(folder, KNOWN)
    folder.check(KNOWN)
    put(folder, KNOWN, BYTES.upper())
    later = folder.path.joinpath("known.pth.sha256").stat().st_mtime_ns + 10**9
    os.utime(folder.target(KNOWN), ns=(later, later))
    assert folder.state(KNOWN) is State.UNCHECKED
    assert folder.check(KNOWN) is State.DAMAGED


def test_reading_notices_what_times_hide(folder: ModelFolder) -> None:
    put(folder, KNOWN)
    folder.check(KNOWN)
    times = folder.target(KNOWN).stat()
    put(folder, KNOWN, BYTES.upper())
    os.utime(folder.target(KNOWN), ns=(times.st_atime_ns, times.st_mtime_ns))
    assert folder.state(KNOWN) is State.VERIFIED
    assert folder.check(KNOWN) is State.DAMAGED


def test_an_undocumented_file_is_compared_with_its_first_copy(folder: ModelFolder) -> None:
    put(folder, UNKNOWN)
    assert folder.state(UNKNOWN) is State.UNCHECKED
    assert folder.check(UNKNOWN) is State.FIRST_USE
    assert folder.expected(UNKNOWN) == SHA256
    put(folder, UNKNOWN, b"other")
    assert folder.check(UNKNOWN) is State.DAMAGED


def test_a_record_of_another_version_does_not_verify(folder: ModelFolder) -> None:
    put(folder, KNOWN)
    folder.check(KNOWN)
    assert folder.state(replace(KNOWN, sha256="0" * 64)) is State.DAMAGED


def test_a_record_that_is_none_counts_as_none(folder: ModelFolder) -> None:
    put(folder, UNKNOWN)
    folder.path.joinpath("unknown.pth.sha256").write_bytes(b"\xff\xfe nonsense")
    assert folder.expected(UNKNOWN) is None
    assert folder.state(UNKNOWN) is State.UNCHECKED


def test_the_worst_file_counts(folder: ModelFolder) -> None:
    assert worst([State.VERIFIED, State.MISSING]) is State.PARTIAL
    assert worst([State.MISSING, State.MISSING]) is State.MISSING
    assert worst([State.VERIFIED, State.DAMAGED, State.MISSING]) is State.DAMAGED
    assert worst([State.VERIFIED, State.FIRST_USE]) is State.FIRST_USE
    assert state_of(find("sadtalker"), folder) is State.MISSING


def test_engines_get_paths_or_the_command_that_fetches(folder: ModelFolder) -> None:
    with pytest.raises(EngineUnavailableError, match=r"s3fd\.pth is not in .* avatarchatbot models pull s3fd$"):
        require("s3fd", folder.path)
    with pytest.raises(EngineUnavailableError, match="are not in"):
        require("sadtalker", folder.path)
    folder.path.joinpath("s3fd.pth").write_bytes(b"x")
    assert require("s3fd", folder.path) == (folder.path / "s3fd.pth",)


def test_where_models_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AVATAR_MODELS_DIR", "AVATAR_WEIGHTS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert models_folder().name == "models"
    assert models_folder().parent.name == "avatarchatbot"
    monkeypatch.setenv("AVATAR_WEIGHTS_DIR", "/weights")
    assert models_folder() == AnimationSettings().models_dir == Path("/weights")
    monkeypatch.setenv("AVATAR_MODELS_DIR", "/models")
    assert models_folder() == AnimationSettings().models_dir == Path("/models")
    monkeypatch.setenv("AVATAR_ANIMATION_MODELS_DIR", "/animation")
    assert AnimationSettings().models_dir == Path("/animation")
