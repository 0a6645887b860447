"""`<character>_stylization_config.yaml` of 2.0: how a character looks, feels and is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from comps.animation.audio2face import parameters
from comps.animation.audio2face.configuration.document import brief, number, switch
from comps.animation.audio2face.configuration.section import (
    EntryError,
    Section,
    Switch,
    checked,
    key,
    section,
    table_key,
    table_value,
)
from comps.animation.audio2face.names import ALL_SHAPES, EMOTION_SYNONYMS, NO_PAIR, face_emotion

Character = Literal["claire", "james", "mark"]

REGRESSION_MODELS: Mapping[str, str] = {"claire": "claire_v2.3.1", "james": "james_v2.3.1", "mark": "mark_v2.3"}
"""The regression model of 2.0 of every character."""
DIFFUSION_MODEL: Literal["multi_v3.2"] = "multi_v3.2"
FACE_KEYS: tuple[str, ...] = (
    "eyelid_offset", "face_mask_level", "face_mask_softness", "input_strength", "lip_close_offset",
    "lower_face_smoothing", "lower_face_strength", "skin_strength", "upper_face_smoothing", "upper_face_strength",
    "tongue_strength", "tongue_height_offset", "tongue_depth_offset",
)  # fmt: skip
"""Keys of `a2f.face_params` in the files of 2.0; other face parameters may be written there too."""
SHAPE_TABLES = ("weight_multipliers", "weight_offsets", "active_poses", "cancel_poses", "symmetry_poses")
"""Keys of `a2f.blendshape_params` with a row for every shape."""


def character_of(model_id: object) -> str | None:
    """The character that a model's name begins with: ``james`` for ``james_v2.2``, None for ``denmark_v1``."""
    name = str(model_id).lower()
    for character in parameters.CHARACTERS:
        rest = name.removeprefix(character)
        if rest != name and not rest[:1].isalpha():
            return character
    return None


def _emotions(value: object) -> object:
    known = {name: weight for name, weight in _entries(value).items() if face_emotion(name) is not None}
    return {
        EMOTION_SYNONYMS.get(name, name): _each(name, item, parameters.BEGINNING_EMOTION)
        for name, item in known.items()
    }


def _face_values(value: object) -> object:
    values: dict[str, float] = {}
    written: dict[str, str] = {}
    for name, item in _entries(value).items():
        row = parameters.FACE_BY_FILE.get(name)
        if row is None:
            continue
        if row.name in written:
            raise EntryError(name, f"is the same parameter as {written[row.name]}; give one of them")
        written[row.name] = name
        values[row.name] = _each(name, item, row)
    return values


def _rows(row: parameters.Parameter) -> BeforeValidator:
    return BeforeValidator(lambda value: {name: _each(name, item, row) for name, item in _shapes(value).items()})


def _shapes(value: object) -> dict[str, Any]:
    """The rows of shapes that exist; others are for a warning."""
    return {name: item for name, item in _entries(value).items() if name in ALL_SHAPES}


def _each(name: str, value: object, row: parameters.Parameter) -> float:
    try:
        return float(table_value(row, value))
    except ValueError as error:
        raise EntryError(name, str(error)) from error


def _pair_ids(value: object) -> object:
    return {name: _pair_id(name, item) for name, item in _shapes(value).items()}


def _pair_id(name: str, value: object) -> int:
    try:
        found = number(value)
    except ValueError as error:
        raise EntryError(name, str(error)) from error
    if found != int(found) or found < NO_PAIR:
        raise EntryError(name, f"{brief(value)} is no id of a pair: a whole number from 0, or {NO_PAIR} for none")
    return int(found)


def _switches(value: object) -> object:
    return {name: _on_or_off(name, item) for name, item in _shapes(value).items()}


def _on_or_off(name: str, value: object) -> int:
    try:
        return int(switch({0: False, 1: True, "0": False, "1": True}.get(value, value)))
    except ValueError as error:
        raise EntryError(name, f"{brief(value)} is neither 1 nor 0") from error


def _entries(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"must hold keys and values, but is {brief(value)}")
    return value


def _known_model(value: object) -> object:
    if value not in REGRESSION_MODELS.values():
        raise ValueError(f"{brief(value)} is no regression model; there are: {', '.join(REGRESSION_MODELS.values())}")
    return value


class PostProcessing(Section):
    """What is done to the detected emotions."""

    emotion_contrast: Annotated[float, checked("emotion_contrast")] = table_key("emotion_contrast")
    emotion_strength: Annotated[float, checked("emotion_strength")] = table_key("emotion_strength")
    enable_preferred_emotion: Annotated[bool, checked("enable_preferred_emotion")] = table_key(
        "enable_preferred_emotion"
    )
    live_blend_coef: Annotated[float, checked("live_blend_coef")] = table_key("live_blend_coef")
    max_emotions: Annotated[int, checked("max_emotions")] = table_key("max_emotions")
    preferred_emotion_strength: Annotated[float, checked("preferred_emotion_strength")] = table_key(
        "preferred_emotion_strength"
    )


class Emotion(Section):
    """Emotions read from the voice."""

    enabled: Switch = key(True, "whether emotions are read from the voice")
    live_transition_time: Annotated[float, checked("live_transition_time")] = table_key("live_transition_time")
    post_processing_params: PostProcessing = section(PostProcessing)


class RegressionModel(Section):
    """The network that follows the voice alone."""

    inference_model_id: Annotated[str, BeforeValidator(_known_model)] | None = Field(
        None, description="one of the regression models, a character each"
    )


class DiffusionModel(Section):
    """The network that draws a movement from many."""

    inference_model_id: Literal["multi_v3.2"] = key(DIFFUSION_MODEL, "the diffusion model", since="2.0")
    identity: Annotated[Character, BeforeValidator(lambda value: str(value).lower())] | None = Field(
        None, description="whose way of moving it has; without it, that of the file's character"
    )
    constant_noise: Switch = key(True, "draw the same noise every time, so that runs repeat", since="2.0")


class BlendShapes(Section):
    """What is done to the weights. A shape without a row has the default of that row."""

    enable_clamping_bs_weight: Switch = table_key("enable_clamping_bs_weight")
    weight_multipliers: Annotated[dict[str, float], _rows(parameters.WEIGHT_MULTIPLIERS)] = Field({})
    weight_offsets: Annotated[dict[str, float], _rows(parameters.WEIGHT_OFFSETS)] = Field({})
    active_poses: Annotated[dict[str, int], BeforeValidator(_switches)] = Field({})
    cancel_poses: Annotated[dict[str, int], BeforeValidator(_pair_ids)] = Field({})
    symmetry_poses: Annotated[dict[str, int], BeforeValidator(_pair_ids)] = Field({})


class AnimationStyle(Section):
    """The face."""

    inference_type: Literal["regression", "diffusion"] = key("regression", "which network", since="2.0")
    regression_model: RegressionModel = section(RegressionModel)
    diffusion_model: DiffusionModel = section(DiffusionModel)
    enable_tongue_blendshapes: Switch = key(True, "whether the 16 tongue shapes are streamed", since="1.3")
    face_params: Annotated[dict[str, float], BeforeValidator(_face_values)] = Field({})
    blendshape_params: BlendShapes = section(BlendShapes)


class StylizationConfig(Section):
    """The whole file, with the face parameters that it gives, by their names in the table of parameters."""

    default_beginning_emotions: Annotated[dict[str, float], BeforeValidator(_emotions)] = Field({})
    a2e: Emotion = section(Emotion)
    a2f: AnimationStyle = section(AnimationStyle)
