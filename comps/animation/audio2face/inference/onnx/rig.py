"""A character's files: how its network's numbers move points, and which blend shapes the points are solved to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.configuration.layers import ModelDefaults
from comps.animation.audio2face.inference.onnx.folder import ModelFolder
from comps.animation.audio2face.names import ARKIT_SHAPES, TONGUE_SHAPES
from comps.animation.audio2face.parameters import FACE, SOLVER, Value, check
from comps.animation.audio2face.skin import SkinRig
from comps.animation.audio2face.solver import SolverSettings
from comps.core.errors import UnprocessableError

Points = NDArray[np.float32]

_SHAPES = {"skin": ARKIT_SHAPES, "tongue": TONGUE_SHAPES}
_NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class ShapeRig:
    """The blend shapes of the skin or the tongue.

    Attributes:
        neutral: points `[v, 3]`.
        shapes: displacements `[n, v, 3]`, in the order of `names`.
        names: as on the wire.
        vertices: those that are fitted; None is all.
        settings: weights of the solver's terms.
        multipliers, offsets: the model's own, by shape.
    """

    neutral: Points
    shapes: Points
    names: tuple[str, ...]
    vertices: NDArray[np.intp] | None
    settings: SolverSettings
    multipliers: Mapping[str, float]
    offsets: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class MovingParts:
    """What a network's numbers move: `skin`, and the tongue's resting points `[v, 3]`.

    `skin_components` `[c, v, 3]` and `tongue_components` turn the numbers of a regression network into motions; a
    diffusion network has none and tells the motions themselves.
    """

    skin: SkinRig
    tongue: Points
    skin_components: Points | None = None
    tongue_components: Points | None = None


@dataclass(frozen=True, slots=True)
class Character:
    """All of one character's files but its network.

    `defaults` is what they say about parameters; `shot` and `frame` choose the implicit emotion of a regression network.
    """

    parts: MovingParts
    skin: ShapeRig
    tongue: ShapeRig
    defaults: ModelDefaults
    shot: object = None
    frame: object = None


@dataclass(frozen=True, slots=True)
class FileNames:
    """Names of a character's files in the folder."""

    config: str
    data: str
    skin: Mapping[str, Any]
    tongue: Mapping[str, Any]


def regression_files(folder: ModelFolder) -> FileNames:
    """As `model.json` of a regression network has them."""
    paths = folder.manifest.get("blendshapePaths", {})
    return FileNames(
        folder.named("modelConfigPath", "model_config.json"),
        folder.named("modelDataPath", "model_data.npz"),
        _shape_files(paths, "skin", ""),
        _shape_files(paths, "tongue", ""),
    )


def diffusion_files(folder: ModelFolder, identity: str, index: int) -> FileNames:
    """As `model.json` of a diffusion network has them for its identity number `index`."""
    paths = _entry(folder.manifest.get("blendshapePaths"), index) or {}
    return FileNames(
        str(_entry(folder.manifest.get("modelConfigPaths"), index) or f"model_config_{identity}.json"),
        str(_entry(folder.manifest.get("modelDataPaths"), index) or f"model_data_{identity}.npz"),
        _shape_files(paths, "skin", f"_{identity}"),
        _shape_files(paths, "tongue", f"_{identity}"),
    )


def regression_character(folder: ModelFolder, files: FileNames, sizes: Mapping[str, tuple[int, int]]) -> Character:
    """The character of a regression network; `sizes` gives components and vertices of `skin` and `tongue`.

    Raises:
        EngineUnavailableError: a file is missing, broken, or does not fit the network.
    """
    with folder.arrays(files.data) as file:
        skin, tongue = sizes["skin"], sizes["tongue"]
        parts = MovingParts(
            SkinRig(
                file.numbers("shapes_mean_skin", skin[1], 3),
                file.numbers("eye_close_pose_delta", skin[1], 3),
                file.numbers("lip_open_pose_delta", skin[1], 3),
            ),
            file.numbers("shapes_mean_tongue", tongue[1], 3),
            file.numbers("shapes_matrix_skin", skin[0], skin[1], 3),
            file.numbers("shapes_matrix_tongue", tongue[0], tongue[1], 3),
        )
    return _character(folder, files, parts)


def diffusion_character(folder: ModelFolder, files: FileNames, skin: int, tongue: int) -> Character:
    """The character of a diffusion network with so many vertices; see `regression_character`."""
    with folder.arrays(files.data) as file:
        parts = MovingParts(
            SkinRig(
                file.numbers("neutral_skin", skin, 3),
                file.numbers("eye_close_pose_delta", skin, 3),
                file.numbers("lip_open_pose_delta", skin, 3),
            ),
            file.numbers("neutral_tongue", tongue, 3),
        )
    return _character(folder, files, parts)


def _character(folder: ModelFolder, files: FileNames, parts: MovingParts) -> Character:
    skin = _shape_rig(folder, files.skin, "skin", len(parts.skin.neutral))
    tongue = _shape_rig(folder, files.tongue, "tongue", len(parts.tongue))
    config = _section(folder, files.config, "config")
    defaults = ModelDefaults(
        _face_values(folder, files.config, config),
        {**skin.multipliers, **tongue.multipliers},
        {**skin.offsets, **tongue.offsets},
    )
    return Character(parts, skin, tongue, defaults, config.get("source_shot"), config.get("source_frame"))


def _face_values(folder: ModelFolder, name: str, config: Mapping[str, Any]) -> dict[str, Value]:
    """Face parameters of a model's JSON file, where they are spelled as here."""
    try:
        return {row.name: check(row, config[row.name], called=row.name) for row in FACE if row.name in config}
    except UnprocessableError as error:
        raise folder.fault(name, error.message) from error


def _shape_rig(folder: ModelFolder, files: Mapping[str, Any], kind: str, vertices: int) -> ShapeRig:
    data, config = str(files["data"]), str(files["config"])
    with folder.arrays(data) as file:
        poses = file.texts("poseNames")
        if not poses or poses[0] != _NEUTRAL:
            raise file.fault(f"'poseNames' begins with {', '.join(poses[:1])!r}; expected '{_NEUTRAL}'")
        order = _order(poses[1:], _SHAPES[kind])
        if order is None:
            raise file.fault(f"'poseNames' are not the {len(_SHAPES[kind])} shapes of the {kind}")
        neutral = file.numbers(_NEUTRAL, vertices, 3)
        shapes = np.stack([file.numbers(poses[1 + place], vertices, 3) for place in order])
        fitted = file.indices("frontalMask") if "frontalMask" in file else None
        if fitted is not None and (not fitted.size or fitted.max() >= vertices):
            raise file.fault(f"'frontalMask' is not a list of the {vertices} vertices")
    params = _section(folder, config, "blendshape_params")
    rows = {key: _rows(folder, config, params, key, order) for key in ("bsWeightMultipliers", "bsWeightOffsets")}
    names = _SHAPES[kind]
    return ShapeRig(
        neutral, shapes, names, fitted, _solver_settings(folder, config, params),
        dict(zip(names, rows["bsWeightMultipliers"], strict=True)), dict(zip(names, rows["bsWeightOffsets"], strict=True)),
    )  # fmt: skip


def _order(poses: Sequence[str], names: Sequence[str]) -> list[int] | None:
    """Place of every shape among a file's poses, which are spelled in camel case; None when they are others."""
    places = {pose[:1].upper() + pose[1:]: place for place, pose in enumerate(poses)}
    return [places[name] for name in names] if len(poses) == len(names) and set(places) == set(names) else None


def _solver_settings(folder: ModelFolder, name: str, params: Mapping[str, Any]) -> SolverSettings:
    optional = {"templateBBSize"}
    try:
        values = {
            row.name: float(check(row, params[row.file]))
            for row in SOLVER
            if row.file and (row.file in params or row.file not in optional)
        }
    except KeyError as error:
        raise folder.fault(name, f"blendshape_params has no {error}") from error
    except UnprocessableError as error:
        raise folder.fault(name, error.message) from error
    return SolverSettings(**values)


def _rows(folder: ModelFolder, name: str, params: Mapping[str, Any], key: str, order: list[int]) -> list[float]:
    found = params.get(key)
    numbers = isinstance(found, list) and all(
        isinstance(item, int | float) and not isinstance(item, bool) and np.isfinite(item) for item in found
    )
    if not isinstance(found, list) or not numbers or len(found) != len(order):
        raise folder.fault(name, f"blendshape_params/{key} is no list of {len(order)} numbers")
    return [float(found[place]) for place in order]


def _section(folder: ModelFolder, name: str, key: str) -> Mapping[str, Any]:
    found = folder.json(name).get(key)
    if not isinstance(found, dict):
        raise folder.fault(name, f"has no section '{key}'")
    return found


def _shape_files(paths: object, kind: str, tag: str) -> Mapping[str, Any]:
    usual = {"config": f"bs_{kind}_config{tag}.json", "data": f"bs_{kind}{tag}.npz"}
    given = paths.get(kind) if isinstance(paths, dict) else None
    return {**usual, **given} if isinstance(given, dict) else usual


def _entry(values: object, index: int) -> Any:
    return values[index] if isinstance(values, list) and index < len(values) else None
