"""From a network's numbers to weights: equal to the formulas on points, in every parameter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.audio2face.inference.model import Array, FaceTuning
from comps.animation.audio2face.inference.onnx import projection as module
from comps.animation.audio2face.inference.onnx.folder import ModelFolder
from comps.animation.audio2face.inference.onnx.projection import Face
from comps.animation.audio2face.inference.onnx.rig import Character, MovingParts, regression_character, regression_files
from comps.animation.audio2face.names import ACTIVE_POSES, ALL_SHAPES, CANCEL_POSES, SYMMETRY_POSES
from comps.animation.audio2face.parameters import Value
from comps.animation.audio2face.skin import SkinSettings, SkinStream
from comps.animation.audio2face.solver import BlendshapeSolver, Poses, SolverSettings
from comps.animation.audio2face.tongue import pose_tongue
from comps.core.errors import UnprocessableError
from tests.audio2face.inference.onnx import published
from tests.audio2face.inference.onnx.streams import PLAIN, tuning

VALUES: dict[str, Value] = {
    "lower_face_smoothing": 0.02, "upper_face_smoothing": 0.01, "lower_face_strength": 1.3, "upper_face_strength": 0.7,
    "face_mask_level": 0.4, "face_mask_softness": 0.1, "skin_strength": 1.1, "blink_strength": 0.8, "blink_offset": 0.3,
    "eyelid_open_offset": 0.1, "lip_open_offset": -0.05, "tongue_strength": 1.4, "tongue_height_offset": 0.2,
    "tongue_depth_offset": -0.3,
}  # fmt: skip
SETTINGS = SolverSettings(l1=0.4, l2=0.3, symmetry=10, temporal=0.2, template_bb_size=60)
CANCELLING = {**CANCEL_POSES, "JawLeft": 3, "JawRight": 3}


@pytest.fixture
def character(tmp_path: Path) -> Character:
    published.write_regression(tmp_path, published.regression_graph(published.regression_weights({})))
    folder = ModelFolder(tmp_path)
    sizes = {
        "skin": (len(published.SKIN), published.VERTICES),
        "tongue": (len(published.TONGUE), published.TONGUE_VERTICES),
    }
    found = regression_character(folder, regression_files(folder), sizes)
    fitted = np.arange(0, published.VERTICES, 2)
    skin = replace(found.skin, settings=SETTINGS, vertices=fitted, neutral=found.skin.neutral + np.float32(0.1))
    return replace(found, skin=skin, tongue=replace(found.tongue, settings=SETTINGS))


def telling_points(character: Character) -> Character:
    """The same character for a network that tells the points' motions."""
    return replace(character, parts=MovingParts(character.parts.skin, character.parts.tongue))


def numbers(frames: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(5)
    skin = random.normal(0.2, 0.4, (frames, len(published.SKIN)))
    return skin.astype(np.float32), random.normal(0.2, 0.4, (frames, len(published.TONGUE))).astype(np.float32)


def motions(values: NDArray[np.float32], names: tuple[str, ...]) -> NDArray[np.float32]:
    basis = np.stack([published.moved(name) for name in names])
    return np.einsum("nc,cvx->nvx", values, basis).astype(np.float32)


def full(values: dict[str, Value] | None = None) -> FaceTuning:
    return FaceTuning(30, VALUES if values is None else values, ACTIVE_POSES, CANCELLING, SYMMETRY_POSES)


def by_points(character: Character, skin: Array, tongue: Array, values: dict[str, Value]) -> Array:
    """The weights by the formulas on points."""
    posed = SkinStream(character.parts.skin, SkinSettings.of(values), fps=30).pose(skin)
    raised = pose_tongue(
        character.parts.tongue, tongue, strength=float(values["tongue_strength"]),
        height_offset=float(values["tongue_height_offset"]), depth_offset=float(values["tongue_depth_offset"]),
    )  # fmt: skip
    weights = []
    for rig, points in ((character.skin, posed), (character.tongue, raised)):
        poses = Poses.named(rig.names, ACTIVE_POSES, CANCELLING, SYMMETRY_POSES)
        solver = BlendshapeSolver(rig.neutral, rig.shapes, poses, rig.settings, vertices=rig.vertices)
        weights.append(solver.stream().solve(points))
    return np.concatenate(weights, axis=1)


@pytest.mark.parametrize("points", [False, True])
def test_weights_are_those_of_the_formulas_on_points(character: Character, points: bool) -> None:
    skin, tongue = numbers(40)
    moved = motions(skin, published.SKIN), motions(tongue, published.TONGUE)
    expected = by_points(character, *moved, VALUES)
    stream = Face(telling_points(character) if points else character, tongue=True).open(full(), 30)
    told = tuple(part.reshape(len(part), -1) for part in moved) if points else (skin, tongue)
    weights = stream.weights(stream.targets(*told))
    assert weights == pytest.approx(expected, abs=2e-6)
    assert 0.2 < weights.max() <= 1


def test_pieces_give_the_same(character: Character) -> None:
    skin, tongue = numbers(20)
    face = Face(character, tongue=True)
    whole = face.open(full(), 30)
    pieces = face.open(full(), 30)
    parts = [pieces.weights(pieces.targets(skin[a:b], tongue[a:b])) for a, b in ((0, 1), (1, 1), (1, 9), (9, 20))]
    assert np.concatenate(parts) == pytest.approx(whole.weights(whole.targets(skin, tongue)), abs=1e-8)


def test_smoothing_can_be_left_out(character: Character) -> None:
    skin, tongue = numbers(10)
    rough = Face(character, tongue=True, smooth=False).open(full(), 30)
    unfiltered = {**VALUES, "lower_face_smoothing": 0.0, "upper_face_smoothing": 0.0}
    expected = Face(character, tongue=True).open(full(unfiltered), 30)
    assert rough.targets(skin, tongue) == pytest.approx(expected.targets(skin, tongue))


def test_planted_weights_are_recovered(tmp_path: Path, character: Character) -> None:
    exact = replace(
        character,
        skin=replace(
            character.skin, settings=SolverSettings(0, 0, 0, 0, 50), vertices=None, neutral=published.neutral("skin")
        ),
        tongue=replace(character.tongue, settings=SolverSettings(0, 0, 0, 0, 50)),
    )
    planted = np.random.default_rng(6).uniform(0, 1, (12, len(published.SKIN))).astype(np.float32)
    tongue = np.random.default_rng(7).uniform(0, 1, (12, len(published.TONGUE))).astype(np.float32)
    stream = Face(exact, tongue=True).open(tuning(**PLAIN), 30)
    weights = stream.weights(stream.targets(planted, tongue))
    expected = np.zeros((12, 68))
    expected[:, [ALL_SHAPES.index(name) for name in published.SKIN]] = planted
    expected[:, [ALL_SHAPES.index(name) for name in published.TONGUE]] = tongue
    assert weights == pytest.approx(expected, abs=1e-5)


def test_inactive_shapes_stay_at_rest(character: Character) -> None:
    stream = Face(character, tongue=True).open(replace(full(), active={**ACTIVE_POSES, "JawOpen": 0}), 30)
    weights = stream.weights(stream.targets(*numbers(20)))
    assert not weights[:, ALL_SHAPES.index("JawOpen")].any()


def test_a_tuning_without_shapes_is_refused(character: Character) -> None:
    with pytest.raises(UnprocessableError, match="no pose is active"):
        Face(character, tongue=False).open(replace(full(), active=dict.fromkeys(ALL_SHAPES, 0)), 30)


def test_solvers_and_masks_are_made_once_and_forgotten_in_time(character: Character) -> None:
    face = Face(character, tongue=False)
    first = face.open(full(), 30)._skin._projection
    assert face.open(full({**VALUES, "skin_strength": 0.5}), 30)._skin._projection is first
    for level in range(module._KEPT):
        face.open(full({**VALUES, "face_mask_level": 0.5 + level / 100}), 30)
    assert face.open(full(), 30)._skin._projection is not first
    assert len(face._skins._things) == module._KEPT
    assert len(face._solvers._things) == 1
