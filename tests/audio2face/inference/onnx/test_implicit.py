"""The implicit emotion: which row of which recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comps.animation.audio2face.inference.onnx.folder import ModelFolder
from comps.animation.audio2face.inference.onnx.implicit import implicit_emotion
from comps.core.errors import EngineUnavailableError, UnprocessableError
from tests.audio2face.inference.onnx import published


def folder(path: Path, **changed: Any) -> ModelFolder:
    np.savez(path / "implicit_emo_db.npz", **{**published.emotion_database(), **changed})
    return ModelFolder(path)


@pytest.mark.parametrize(
    ("shot", "frame", "row"), [("cp1_neutral", 0, 0), ("cp1_neutral", 11, 11), ("g2a_neutral", 33, 45)]
)
def test_a_frame_of_a_recording(tmp_path: Path, shot: str, frame: int, row: int) -> None:
    emotion = implicit_emotion(folder(tmp_path), 16, shot, frame)
    assert emotion.shape == (16,)
    assert emotion[0] == pytest.approx(row / 100)


def test_an_unknown_recording_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        UnprocessableError, match=r"source_shot = 'cp2' does not exist; there are: cp1_neutral, g2a_neutral$"
    ):
        implicit_emotion(folder(tmp_path), 16, "cp2", 0)


def test_a_long_list_of_recordings_is_cut(tmp_path: Path) -> None:
    names = np.array([f"s{n}" for n in range(40)], "S")
    many = folder(tmp_path, emo_spec_names=names, emo_spec_start=np.arange(40), emo_spec_size=np.ones(40, int))
    with pytest.raises(UnprocessableError, match=r"s29 and 10 more$"):
        implicit_emotion(many, 16, None, 0)


@pytest.mark.parametrize("frame", [12, -1, None, 1.5])
def test_a_frame_that_does_not_exist_names_those_there_are(tmp_path: Path, frame: object) -> None:
    with pytest.raises(UnprocessableError, match=r"source_frame = .* is not a frame of 'cp1_neutral'; it has 0 to 11"):
        implicit_emotion(folder(tmp_path), 16, "cp1_neutral", frame)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"emo_db": np.zeros((52, 8))}, r"'emo_db' has the shape \[52, 8\]; expected \[any, 16\]"),
        ({"emo_db": np.zeros((5, 16))}, "'emo_db' has 5 rows; 'cp1_neutral' needs row 11"),
        ({"emo_spec_size": np.array([1])}, "have different lengths"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineUnavailableError, match=rf"implicit_emo_db\.npz: .*{message}"):
        implicit_emotion(folder(tmp_path, **changed), 16, "cp1_neutral", 11)
