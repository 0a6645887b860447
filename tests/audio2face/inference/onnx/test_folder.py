"""Folders of models that are missing, broken, or not what they claim to be."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comps.animation.audio2face.inference.onnx import folder as module
from comps.animation.audio2face.inference.onnx.folder import ModelFolder, find_folder
from comps.core.errors import EngineUnavailableError


@pytest.fixture
def place(tmp_path: Path) -> ModelFolder:
    (tmp_path / "a.json").write_text('{"x": 1}')
    np.savez(
        tmp_path / "a.npz",
        points=np.arange(6.0).reshape(2, 3), flat=np.arange(12).reshape(2, 6), names=np.array([b"neutral", b"jaw"]),
        text=np.array(["one"]), bad=np.array([1.0, np.nan]), whole=np.array([3, 1], np.int32), below=np.array([-1]),
    )  # fmt: skip
    return ModelFolder(tmp_path)


def test_a_folder_is_found_in_any_case_by_any_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "audio2face-3d-v3.0").mkdir()
    assert find_folder(tmp_path, ("Audio2Face-3D-v3.0", "multi_v3.2")).path.name == "audio2face-3d-v3.0"
    (tmp_path / "MULTI_v3.2").mkdir()
    assert find_folder(tmp_path, ("other", "multi_v3.2")).path.name == "MULTI_v3.2"


def test_a_missing_folder_is_named_with_the_way_to_it(tmp_path: Path) -> None:
    (tmp_path / "wanted").write_text("a file")
    with pytest.raises(
        EngineUnavailableError,
        match=r"has no folder wanted; read its licence at https://\S+/nvidia/wanted and fetch it with  hf download nvidia/wanted",
    ):
        find_folder(tmp_path, ("wanted",))
    with pytest.raises(EngineUnavailableError, match="has no folder wanted"):
        find_folder(tmp_path / "nowhere", ("wanted",))


def test_files_are_called_as_model_json_says(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"networkInfoPath": "info.json"}))
    place = ModelFolder(tmp_path)
    assert place.named("networkInfoPath", "network_info.json") == "info.json"
    assert place.named("modelDataPath", "model_data.npz") == "model_data.npz"
    with pytest.raises(EngineUnavailableError, match=r"info\.json is missing"):
        place.file("info.json")


@pytest.mark.parametrize("name", ["../a.json", "/etc/passwd", "sub/a.json", "", ".", None, 3])
def test_files_lie_in_the_folder_itself(place: ModelFolder, name: object) -> None:
    with pytest.raises(EngineUnavailableError, match=r"no name of a file in this folder|is missing"):
        place.file(name)


@pytest.mark.parametrize(
    ("text", "message"), [("[1]", "no JSON object"), ("{", "is no JSON"), ("[" * 200000, "is no JSON")]
)
def test_broken_json_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(EngineUnavailableError, match=rf"b\.json: .*{message}"):
        ModelFolder(tmp_path).json("b.json")


def test_huge_json_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_JSON", 10)
    (tmp_path / "b.json").write_text('{"a": "bcdefghij"}')
    with pytest.raises(EngineUnavailableError, match=r"b\.json: has more than"):
        ModelFolder(tmp_path).json("b.json")


def test_arrays_are_read_with_their_shape(place: ModelFolder) -> None:
    with place.arrays("a.npz") as file:
        assert file.numbers("points", 2, 3).dtype == np.float32
        assert file.numbers("flat", 2, 2, 3).shape == (2, 2, 3)
        assert file.numbers("points", None, 3).shape == (2, 3)
        assert file.texts("names") == ("neutral", "jaw")
        assert file.texts("text") == ("one",)
        assert file.indices("whole").tolist() == [3, 1]
        assert "points" in file
        assert "others" not in file


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda file: file.numbers("others", 1), "has no 'others'"),
        (lambda file: file.numbers("points", 3, 3), r"'points' has the shape \[2, 3\]; expected \[3, 3\]"),
        (lambda file: file.numbers("points", None), r"'points' has the shape \[2, 3\]; expected \[any\]"),
        (lambda file: file.numbers("names", 2), r"'names' holds \|S7, not numbers"),
        (lambda file: file.numbers("bad", 2), "'bad' has a value that is not finite"),
        (lambda file: file.indices("points"), r"'points' is float64 \[2, 3\], not a list of whole numbers"),
        (lambda file: file.indices("below"), "not a list of whole numbers from 0"),
        (lambda file: file.texts("points"), "not a list of names"),
    ],
)
def test_arrays_that_do_not_fit_are_named(place: ModelFolder, read: Callable[[Any], object], message: str) -> None:
    with pytest.raises(EngineUnavailableError, match=rf"a\.npz: .*{message}"), place.arrays("a.npz") as file:
        read(file)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"text"])
def test_a_damaged_array_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.npz").write_bytes(content)
    with pytest.raises(EngineUnavailableError, match=r"b\.npz: cannot be read"), ModelFolder(tmp_path).arrays("b.npz"):
        pass


def test_a_damaged_array_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as packed:
        packed.writestr("points.npy", b"\x93NUMPY\x01\x00 nonsense")
    place = ModelFolder(tmp_path)
    with pytest.raises(EngineUnavailableError, match=r"b\.npz: cannot be read"), place.arrays("b.npz") as file:
        file.numbers("points", 2)


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "b.npz", names=np.array([{"a": 1}], object))
    place = ModelFolder(tmp_path)
    with (
        pytest.raises(EngineUnavailableError, match=r"b\.npz: cannot be read: .*pickle"),
        place.arrays("b.npz") as file,
    ):
        file.texts("names")


def test_arrays_that_unpack_to_too_much_are_not_read(place: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ARRAYS", 100)
    with pytest.raises(EngineUnavailableError, match=r"a\.npz: holds .* more than"), place.arrays("a.npz"):
        pass
