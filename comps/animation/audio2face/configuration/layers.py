"""Which value of a parameter holds: the model's default, below the files, below the request of one stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from comps.animation.audio2face import parameters
from comps.animation.audio2face.configuration.document import ConfigurationError
from comps.animation.audio2face.configuration.reading import Configuration
from comps.animation.audio2face.configuration.rendering import json_text, yaml_text
from comps.animation.audio2face.configuration.stylization import (
    FACE_KEYS,
    REGRESSION_MODELS,
    BlendShapes,
)
from comps.animation.audio2face.names import (
    ACTIVE_POSES,
    ALL_SHAPES,
    CANCEL_POSES,
    EMOTION_SYNONYMS,
    FACE_EMOTIONS,
    NO_PAIR,
    SYMMETRY_POSES,
    shape_names,
)
from comps.animation.audio2face.parameters import Value

Layer = Literal["model", "deployment", "request"]
Format = Literal["yaml", "json"]

_PER_SHAPE = {"weight_multipliers": parameters.WEIGHT_MULTIPLIERS, "weight_offsets": parameters.WEIGHT_OFFSETS}


@dataclass(frozen=True, slots=True)
class ModelDefaults:
    """What a model's own JSON files say; by default nothing, and the character's values hold.

    Attributes:
        values: face, emotion and shape parameters by name.
        weight_multipliers, weight_offsets: rows of some or all shapes.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    weight_multipliers: Mapping[str, float] = field(default_factory=dict)
    weight_offsets: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What one stream's header asks for; what it leaves out keeps the deployment's value.

    Attributes:
        face: `FaceParameters.float_params`, by request key.
        emotion: fields of the emotion messages that are present, by parameter name.
        beginning_emotion: replaces the whole vector of the deployment when it is not empty.
        weight_multipliers, weight_offsets: rows by shape; names that do not exist are ignored.
        clamp: `enable_clamping_bs_weight`, None when absent.
    """

    face: Mapping[str, object] = field(default_factory=dict)
    emotion: Mapping[str, object] = field(default_factory=dict)
    beginning_emotion: Mapping[str, object] = field(default_factory=dict)
    weight_multipliers: Mapping[str, object] = field(default_factory=dict)
    weight_offsets: Mapping[str, object] = field(default_factory=dict)
    clamp: bool | None = None


@dataclass(frozen=True, slots=True)
class StreamParameters:
    """The parameters of one stream.

    Attributes:
        values: every face, emotion and shape parameter that has one value, by name.
        origin: the layer each of them comes from.
        beginning_emotion: the ten weights, by emotion.
        weight_multipliers, weight_offsets: all 68 rows, by shape.
        ignored: face keys of the request that no parameter has.
    """

    values: Mapping[str, Value]
    origin: Mapping[str, Layer]
    beginning_emotion: Mapping[str, float]
    weight_multipliers: Mapping[str, float]
    weight_offsets: Mapping[str, float]
    ignored: tuple[str, ...] = ()

    def number(self, name: str) -> float:
        """A parameter as a number; KeyError for a name that the table does not have."""
        return float(self.values[name])


class Layers:
    """The layers of a running service.

    Args:
        configuration: the files.
        model: what the model says; values of the files go over it.

    Raises:
        ConfigurationError: the files leave no shape active, or break a pair.
    """

    def __init__(self, configuration: Configuration, model: ModelDefaults | None = None) -> None:
        self.configuration = configuration
        model = model or ModelDefaults()
        shapes = configuration.stylization.a2f.blendshape_params
        self.active_poses = _merged(ACTIVE_POSES, shapes.active_poses)
        self.cancel_poses = _merged(CANCEL_POSES, shapes.cancel_poses)
        self.symmetry_poses = _merged(SYMMETRY_POSES, shapes.symmetry_poses)
        self._check_poses()
        self.deployment = self._deployment_layer(model, shapes)

    @property
    def shape_names(self) -> tuple[str, ...]:
        """The names that a stream's header lists."""
        return shape_names(tongue=self.configuration.stylization.a2f.enable_tongue_blendshapes)

    def for_stream(self, request: StreamRequest) -> StreamParameters:
        """The parameters of a stream.

        Raises:
            UnprocessableError: a value of the request is no number or out of range; it names
                parameter, value and range, and nothing of the request holds.
        """
        face, ignored = parameters.face_values(request.face)
        asked: dict[str, Value] = {**face, **_emotion_values(request.emotion)}
        if request.clamp is not None:
            asked["enable_clamping_bs_weight"] = request.clamp
        base = self.deployment
        beginning = parameters.check_entries(parameters.BEGINNING_EMOTION, request.beginning_emotion)
        return StreamParameters(
            values={**base.values, **asked},
            origin={**base.origin, **dict.fromkeys(asked, "request")},
            beginning_emotion=_all_emotions(beginning) if beginning else base.beginning_emotion,
            weight_multipliers=_rows(base.weight_multipliers, "weight_multipliers", request.weight_multipliers),
            weight_offsets=_rows(base.weight_offsets, "weight_offsets", request.weight_offsets),
            ignored=ignored,
        )

    def files(self, kind: Format = "yaml") -> dict[str, str]:
        """The effective files by plain file name, complete: read again they mean the same."""
        render = yaml_text if kind == "yaml" else json_text
        trees = {
            f"{self.configuration.character}_stylization_config": self._stylization_tree(),
            "deployment_config": self._deployment_tree(),
            "advanced_config": self.configuration.advanced.tree(),
        }
        return {f"{name}.{kind}": render(tree) for name, tree in trees.items()}

    def _deployment_layer(self, model: ModelDefaults, shapes: BlendShapes) -> StreamParameters:
        style, block = self.configuration.stylization, self.configuration.deployment.face_params
        post = style.a2e.post_processing_params
        given: dict[str, Value] = {name: getattr(post, name) for name in post.model_fields_set & _post_names()}
        if "live_transition_time" in style.a2e.model_fields_set:
            given["live_transition_time"] = style.a2e.live_transition_time
        if "enable_clamping_bs_weight" in shapes.model_fields_set:
            given["enable_clamping_bs_weight"] = shapes.enable_clamping_bs_weight
        given |= style.a2f.face_params
        given |= dict(block.values) if block else {}
        rows = parameters.FACE + parameters.EMOTION + parameters.SHAPES
        values = parameters.defaults(rows, character=self.configuration.character) | dict(model.values) | given
        origin: dict[str, Layer] = {name: "deployment" if name in given else "model" for name in values}
        emotion = block.emotion if block and block.emotion is not None else style.default_beginning_emotions
        return StreamParameters(
            values=values,
            origin=origin,
            beginning_emotion=_all_emotions(emotion),
            weight_multipliers=dict.fromkeys(ALL_SHAPES, 1.0)
            | dict(model.weight_multipliers)
            | shapes.weight_multipliers,
            weight_offsets=dict.fromkeys(ALL_SHAPES, 0.0) | dict(model.weight_offsets) | shapes.weight_offsets,
        )

    def _check_poses(self) -> None:
        file = f"{self.configuration.character}_stylization_config.yaml"
        if not any(self.active_poses.values()):
            raise ConfigurationError("leaves no shape active", file=file, key="a2f/blendshape_params/active_poses")
        for table in ("cancel_poses", "symmetry_poses"):
            ids = [pair for pair in getattr(self, table).values() if pair != NO_PAIR]
            odd = sorted(pair for pair in set(ids) if ids.count(pair) != 2)
            if odd:
                fault = f"gives {odd[0]} to {ids.count(odd[0])} shapes; the id of a pair is that of two"
                raise ConfigurationError(fault, file=file, key=f"a2f/blendshape_params/{table}")

    def _stylization_tree(self) -> dict[str, Any]:
        style, base = self.configuration.stylization, self.deployment
        tree = style.tree()
        tree["default_beginning_emotions"] = dict(base.beginning_emotion)
        emotion, a2f = tree["a2e"], tree["a2f"]
        emotion["live_transition_time"] = base.values["live_transition_time"]
        emotion["post_processing_params"] = {name: base.values[name] for name in emotion["post_processing_params"]}
        character = self.configuration.character
        a2f["regression_model"]["inference_model_id"] = (
            style.a2f.regression_model.inference_model_id or REGRESSION_MODELS[character]
        )
        a2f["diffusion_model"]["identity"] = style.a2f.diffusion_model.identity or character
        a2f["face_params"] = self._face_tree()
        a2f["blendshape_params"] = {
            "enable_clamping_bs_weight": base.values["enable_clamping_bs_weight"],
            "weight_multipliers": dict(base.weight_multipliers),
            "weight_offsets": dict(base.weight_offsets),
            "active_poses": self.active_poses,
            "cancel_poses": self.cancel_poses,
            "symmetry_poses": self.symmetry_poses,
        }
        return tree

    def _face_tree(self) -> dict[str, Value]:
        """The keys of the shipped files, and those that were set or come from a model's own files."""
        keys = {row.file: row.name for row in parameters.FACE if row.file}
        base = self.deployment
        default = parameters.defaults(parameters.FACE, character=self.configuration.character)
        others = [key for key, name in keys.items() if key not in FACE_KEYS and base.values[name] != default[name]]
        return {key: base.values[keys[key]] for key in (*FACE_KEYS, *others)}

    def _deployment_tree(self) -> dict[str, Any]:
        tree = self.configuration.deployment.tree()
        block = tree.pop("face_params")
        shot = {"source_shot": block.source_shot, "source_frame": block.source_frame} if block else {}
        left = {name: value for name, value in shot.items() if value is not None}
        return {**tree, "face_params": left} if left else tree


def _post_names() -> set[str]:
    return {row.name for row in parameters.EMOTION if row.section.endswith("post_processing_params")}


def _emotion_values(asked: Mapping[str, object]) -> dict[str, Value]:
    rows = {row.name: row for row in parameters.EMOTION}
    return {name: parameters.check(rows[name], value) for name, value in asked.items()}


def _all_emotions(given: Mapping[str, float]) -> dict[str, float]:
    """All ten, in order; those not given are 0. Spellings of older clients count."""
    spelled = {EMOTION_SYNONYMS.get(name, name): weight for name, weight in given.items()}
    return {name: spelled.get(name, 0.0) for name in FACE_EMOTIONS}


def _rows(base: Mapping[str, float], table: str, asked: Mapping[str, object]) -> Mapping[str, float]:
    rows = parameters.check_entries(_PER_SHAPE[table], asked)
    return {**base, **{name: value for name, value in rows.items() if name in base}}


def _merged(default: Mapping[str, int], given: Mapping[str, int]) -> dict[str, int]:
    return {name: given.get(name, value) for name, value in default.items()}
