"""A character's files: shapes by name, the solver's parameters, the model's own defaults, and everything broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comps.animation.audio2face.inference.onnx.folder import ModelFolder
from comps.animation.audio2face.inference.onnx.rig import (
    Character,
    diffusion_character,
    diffusion_files,
    regression_character,
    regression_files,
)
from comps.animation.audio2face.names import ARKIT_SHAPES, TONGUE_SHAPES
from comps.core.errors import EngineUnavailableError
from tests.audio2face.inference.onnx import published

SIZES = {
    "skin": (len(published.SKIN), published.VERTICES),
    "tongue": (len(published.TONGUE), published.TONGUE_VERTICES),
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    graph = published.regression_graph(published.regression_weights({}))
    return published.write_regression(tmp_path, graph, input_strength=1.3, eyelid_open_offset=0.06, blink_interval=3)


def load(path: Path) -> Character:
    folder = ModelFolder(path)
    return regression_character(folder, regression_files(folder), SIZES)


def change(path: Path, name: str, *keys: str, value: object) -> None:
    """Sets one value of a JSON file."""
    whole = json.loads((path / name).read_text())
    place = whole
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    published.write_json(path / name, whole)


def change_arrays(path: Path, name: str, **changed: Any) -> None:
    with np.load(path / name) as found:
        arrays = {**dict(found), **changed}
    np.savez(path / name, **{key: value for key, value in arrays.items() if value is not None})


def test_shapes_are_in_the_order_of_the_wire(files: Path) -> None:
    character = load(files)
    assert character.skin.names == ARKIT_SHAPES
    assert character.tongue.names == TONGUE_SHAPES
    assert np.array_equal(character.skin.shapes, published.displacements("skin"))
    assert np.array_equal(character.tongue.shapes, published.displacements("tongue"))
    assert character.skin.vertices is not None
    assert character.skin.vertices.tolist() == list(range(published.VERTICES))
    assert character.tongue.vertices is None


def test_rows_of_the_solver_follow_the_files_order(files: Path) -> None:
    # The file's last pose is the wire's first.
    character = load(files)
    assert {name: row for name, row in character.skin.multipliers.items() if row != 1} == {"EyeBlinkLeft": 2.0}
    assert {name: row for name, row in character.tongue.offsets.items() if row != 0} == {"TongueTipUp": 0.25}
    assert character.defaults.weight_multipliers == {**character.skin.multipliers, **character.tongue.multipliers}


def test_the_models_own_values_are_its_defaults(files: Path) -> None:
    character = load(files)
    assert character.defaults.values == {"input_strength": 1.3, "eyelid_open_offset": 0.06, "tongue_strength": 1.0}
    assert (character.shot, character.frame) == ("cp1_neutral", 10)


def test_the_size_of_the_box_may_be_left_out(files: Path) -> None:
    whole = json.loads((files / "bs_skin_config.json").read_text())
    del whole["blendshape_params"]["templateBBSize"]
    published.write_json(files / "bs_skin_config.json", whole)
    assert load(files).skin.settings.template_bb_size == 54.7
    assert load(files).tongue.settings.template_bb_size == 50


def test_usual_names_are_taken_without_model_json(files: Path) -> None:
    (files / "model.json").unlink()
    assert load(files).skin.names == ARKIT_SHAPES


def test_a_diffusion_network_has_files_for_every_identity(tmp_path: Path) -> None:
    published.write_diffusion(tmp_path)
    change(tmp_path, "model_config_James.json", "config", "skin_strength", value=0.9)
    for manifest in (True, False):
        folder = ModelFolder(tmp_path)
        character = diffusion_character(
            folder, diffusion_files(folder, "James", 1), published.VERTICES, published.TONGUE_VERTICES
        )
        assert character.defaults.values == {"input_strength": 1.0, "skin_strength": 0.9}
        assert character.parts.skin_components is None
        if manifest:
            (tmp_path / "model.json").unlink()


JSON_FAULTS = [
    ("model_config.json", ("config",), [], "has no section 'config'"),
    ("model_config.json", ("config", "skin_strength"), 9, "skin_strength = 9 is out of range; allowed is 0 to 2"),
    ("model_config.json", ("config", "input_strength"), "loud", "input_strength"),
    ("bs_skin_config.json", ("blendshape_params",), None, "has no section 'blendshape_params'"),
    ("bs_skin_config.json", ("blendshape_params", "strengthL2regularization"), -1, "strengthL2regularization = -1 is out of range"),
    ("bs_tongue_config.json", ("blendshape_params", "bsWeightMultipliers"), [1.0], "is no list of 16 numbers"),
    ("bs_skin_config.json", ("blendshape_params", "bsWeightOffsets"), ["a"] * 52, "is no list of 52 numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "keys", "value", "message"), JSON_FAULTS)
def test_broken_values_name_file_and_key(
    files: Path, name: str, keys: tuple[str, ...], value: object, message: str
) -> None:
    change(files, name, *keys, value=value)
    with pytest.raises(EngineUnavailableError, match=rf"{name}: .*{message}"):
        load(files)


def test_a_missing_term_of_the_solver_is_named(files: Path) -> None:
    whole = json.loads((files / "bs_skin_config.json").read_text())
    del whole["blendshape_params"]["strengthSymmetry"]
    published.write_json(files / "bs_skin_config.json", whole)
    with pytest.raises(
        EngineUnavailableError, match=r"bs_skin_config\.json: blendshape_params has no 'strengthSymmetry'"
    ):
        load(files)


ARRAY_FAULTS = [
    ("model_data.npz", {"shapes_matrix_skin": np.zeros((3, 30, 3))}, r"\[3, 30, 3\]; expected \[7, 30, 3\]"),
    ("model_data.npz", {"shapes_mean_tongue": None}, "has no 'shapes_mean_tongue'"),
    (
        "model_data.npz",
        {"lip_open_pose_delta": np.full((30, 3), np.nan)},
        "'lip_open_pose_delta' has a value that is not",
    ),
    ("bs_skin.npz", {"neutral": np.zeros((29, 3))}, r"'neutral' has the shape \[29, 3\]; expected \[30, 3\]"),
    ("bs_skin.npz", {"jawOpen": None}, "has no 'jawOpen'"),
    ("bs_skin.npz", {"poseNames": np.array(["jawOpen"])}, "'poseNames' begins with"),
    ("bs_skin.npz", {"poseNames": np.array(["neutral", "jawOpen"])}, "'poseNames' are not the 52 shapes of the skin"),
    ("bs_skin.npz", {"frontalMask": np.array([30])}, "'frontalMask' is not a list of the 30 vertices"),
    ("bs_tongue.npz", {"poseNames": np.array(["neutral"] + ["tongueUp"] * 16)}, "are not the 16 shapes of the tongue"),
]


@pytest.mark.parametrize(("name", "changed", "message"), ARRAY_FAULTS)
def test_broken_arrays_name_file_and_array(files: Path, name: str, changed: dict[str, Any], message: str) -> None:
    change_arrays(files, name, **changed)
    with pytest.raises(EngineUnavailableError, match=rf"{name}: .*{message}"):
        load(files)


@pytest.mark.parametrize("name", ["model_config.json", "model_data.npz", "bs_skin.npz", "bs_tongue_config.json"])
def test_a_missing_file_is_named(files: Path, name: str) -> None:
    (files / name).unlink()
    with pytest.raises(EngineUnavailableError, match=rf"{name} is missing; fetch the model's folder again"):
        load(files)


def test_model_json_cannot_point_elsewhere(files: Path) -> None:
    change(files, "model.json", "blendshapePaths", "skin", "data", value="../bs_skin.npz")
    with pytest.raises(EngineUnavailableError, match=r"'\.\./bs_skin\.npz' is no name of a file in this folder"):
        load(files)
