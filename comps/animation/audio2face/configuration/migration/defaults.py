"""Complete files of 1.2 with their defaults, made from what the typed files of 2.0 know about older versions."""

from __future__ import annotations

from typing import Any, Literal

from comps.animation.audio2face import parameters
from comps.animation.audio2face.configuration.advanced import AdvancedConfig
from comps.animation.audio2face.configuration.deployment import DeploymentConfig
from comps.animation.audio2face.configuration.document import KeyPath
from comps.animation.audio2face.configuration.section import Section, facts, keys_of
from comps.animation.audio2face.configuration.stylization import FACE_KEYS, StylizationConfig
from comps.animation.audio2face.names import (
    ACTIVE_POSES,
    ARKIT_SHAPES,
    CANCEL_POSES,
    FACE_EMOTIONS,
    SYMMETRY_POSES,
    TONGUE_SHAPES,
)

File = Literal["stylization", "deployment", "advanced"]
Tree = dict[str, Any]

FILES: dict[File, type[Section]] = {
    "stylization": StylizationConfig,
    "deployment": DeploymentConfig,
    "advanced": AdvancedConfig,
}
MODELS_1_2 = {"claire": "claire_v2.3", "james": "james_v2.3", "mark": "mark_v2.3"}
_TOPOLOGIES = {"claire": "claire_topo1_v2.1", "james": "james_topo2_v2.2", "mark": "mark_topo1_v2.1"}

TONGUE_KEYS = tuple(key for key in FACE_KEYS if key.startswith("tongue_"))
"""Face parameters that the stylization file has from 2.0."""
TONGUE_ROWS: dict[str, dict[str, float | int]] = {
    "weight_multipliers": dict.fromkeys(TONGUE_SHAPES, 1.0),
    "weight_offsets": dict.fromkeys(TONGUE_SHAPES, 0.0),
    "active_poses": {shape: ACTIVE_POSES[shape] for shape in TONGUE_SHAPES},
    "cancel_poses": {shape: CANCEL_POSES[shape] for shape in TONGUE_SHAPES},
    "symmetry_poses": {shape: SYMMETRY_POSES[shape] for shape in TONGUE_SHAPES},
}
"""Rows of the tongue shapes, by the tables of `a2f.blendshape_params`."""


def place(tree: Tree, path: KeyPath, value: Any) -> None:
    """Put a value into a tree, making the sections on the way."""
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value


def files_1_2(character: str, *, lasting: bool) -> dict[File, Tree]:
    """The three files of 1.2.

    Args:
        character: claire, james or mark.
        lasting: give the keys whose default 2.0 changes that later default.
    """
    return {
        "stylization": _stylization(character),
        "deployment": _tree(DeploymentConfig, lasting=lasting),
        "advanced": _tree(AdvancedConfig, lasting=lasting),
    }


def new_keys(model: type[Section]) -> dict[KeyPath, Any]:
    """Keys that 1.2 did not have, with their defaults."""
    return {
        path: field.get_default(call_default_factory=True)
        for path, field in keys_of(model)
        if facts(field).get("since", "1.2") != "1.2"
    }


def _tree(model: type[Section], *, lasting: bool) -> Tree:
    tree: Tree = {}
    later = new_keys(model)
    for path, field in keys_of(model):
        known = facts(field)
        if "since" in known and path not in later:
            default = field.get_default(call_default_factory=True)
            place(tree, path, default if lasting else known.get("before", default))
    return tree


def _stylization(character: str) -> Tree:
    values = parameters.defaults(character=character)
    face = {key: values[parameters.FACE_BY_FILE[key].name] for key in FACE_KEYS if key not in TONGUE_KEYS}
    shapes = ARKIT_SHAPES
    emotion = StylizationConfig().a2e.tree()
    return {
        "default_beginning_emotions": dict.fromkeys(FACE_EMOTIONS, 0.0),
        "a2e": emotion,
        "a2f": {
            "inference_model_id": MODELS_1_2[character],
            "blendshape_id": _TOPOLOGIES[character],
            "face_params": face,
            "blendshape_params": {
                "enable_clamping_bs_weight": values["enable_clamping_bs_weight"],
                "weight_multipliers": dict.fromkeys(shapes, 1.0),
                "weight_offsets": dict.fromkeys(shapes, 0.0),
                "active_poses": {shape: ACTIVE_POSES[shape] for shape in shapes},
                "cancel_poses": {shape: CANCEL_POSES[shape] for shape in shapes},
                "symmetry_poses": {shape: SYMMETRY_POSES[shape] for shape in shapes},
            },
        },
    }
