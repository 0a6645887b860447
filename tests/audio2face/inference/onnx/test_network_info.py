"""`network_info.json`: sizes read and checked, each fault with file, key and value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from comps.animation.audio2face.inference.onnx.folder import ModelFolder
from comps.animation.audio2face.inference.onnx.network_info import (
    detector_order,
    diffusion_info,
    regression_info,
)
from comps.core.errors import EngineUnavailableError
from tests.audio2face.inference.onnx import published


def folder(path: Path, info: dict[str, Any]) -> ModelFolder:
    published.write_json(path / "network_info.json", info)
    return ModelFolder(path)


def test_a_regression_networks_sizes(tmp_path: Path) -> None:
    info = regression_info(folder(tmp_path, published.regression_info("Mark")), "mark")
    assert (info.window, info.centre, info.implicit, info.emotions) == (8320, 4160, 16, tuple(range(10)))
    assert info.result == len(published.SKIN) + len(published.TONGUE) + 15 + 4


def test_the_diffusion_networks_sizes(tmp_path: Path) -> None:
    info = diffusion_info(folder(tmp_path, published.diffusion_info()))
    assert (info.frames, info.fps, info.before) == (60, 60, 45)
    assert info.identities == ("Claire", "James", "Mark")
    assert info.result == 3 * (published.VERTICES + published.TONGUE_VERTICES) + 15 + 4


REGRESSION_FAULTS = [
    ("id", "type", "diffusion", "it is a network of the type 'diffusion', not 'regression'"),
    ("id", "actor", "james", "it is the network of 'james', not of 'claire'"),
    ("params", "num_shapes_skin", 0, "params/num_shapes_skin is 0; expected a whole number from 1"),
    ("params", "num_shapes_skin", True, "params/num_shapes_skin is True; expected a whole number"),
    ("params", "num_verts_skin", 10**9, "params/num_verts_skin is 1000000000; expected"),
    ("params", "num_verts_skin", "30", "params/num_verts_skin is 30; expected"),
    ("params", "result_jaw_size", None, "params/result_jaw_size is None; expected"),
    ("params", "explicit_emotions", "joy", "explicit_emotions is no list of names"),
    ("params", "explicit_emotions", ["joy", "boredom"], "joy, boredom; expected emotions of the face, each once"),
    ("params", "explicit_emotions", ["joy", "joy"], "expected emotions of the face, each once"),
    ("audio_params", "samplerate", 48000, "it hears 48000 Hz; expected 16000"),
    ("audio_params", "buffer_len", -1, "audio_params/buffer_len is -1; expected"),
]


@pytest.mark.parametrize(("section", "key", "value", "message"), REGRESSION_FAULTS)
def test_faults_of_a_regression_network(tmp_path: Path, section: str, key: str, value: object, message: str) -> None:
    info = published.regression_info()
    info[section][key] = value
    with pytest.raises(EngineUnavailableError, match=rf"network_info\.json: .*{message}"):
        regression_info(folder(tmp_path, info), "claire")


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("id", "type", "regression", "not 'diffusion'"),
        ("params", "skin_size", 91, "params/skin_size is 91; expected three numbers for each point"),
        ("audio_params", "buffer_len", 16001, "do not hold a whole number of frames"),
        ("audio_params", "padding_left", 100, "do not hold a whole number of frames"),
        ("params", "identities", [1, 2], "identities is no list of names"),
    ],
)
def test_faults_of_the_diffusion_network(tmp_path: Path, section: str, key: str, value: object, message: str) -> None:
    info = published.diffusion_info()
    info[section][key] = value
    with pytest.raises(EngineUnavailableError, match=rf"network_info\.json: .*{message}"):
        diffusion_info(folder(tmp_path, info))


@pytest.mark.parametrize("section", ["id", "params", "audio_params"])
def test_a_section_that_is_missing_is_named(tmp_path: Path, section: str) -> None:
    info = published.regression_info()
    del info[section]
    with pytest.raises(EngineUnavailableError, match=f"has no section '{section}'"):
        regression_info(folder(tmp_path, info), "claire")


def test_the_order_of_a_detectors_emotions(tmp_path: Path) -> None:
    emotions = ["sad", "angry", "neutral", "fear", "happy", "disgust"]
    place = folder(tmp_path, {"audio_params": {"samplerate": 16000}, "emotions": emotions})
    assert detector_order(place) == (1, 5, 3, 4, 2, 0)
