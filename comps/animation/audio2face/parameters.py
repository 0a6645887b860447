"""Every number and switch of Audio2Face-3D that a request or a file can set: one table.

A row's `name` is what the code calls the parameter. The same quantity has other names on the wire
(`request`) and in the stylization file (`file`); `older` lists further spellings that files of
earlier versions use. Ranges and the column `library` are those of the Audio2Face-3D SDK 1.0.0 (MIT);
the columns of the characters are those of the stylization files of the 2.0 release.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from comps.core.errors import UnknownChoiceError, UnprocessableError

Kind = Literal["number", "integer", "switch"]
Group = Literal["face", "emotion", "solver", "shapes"]
Value = float | int | bool

CHARACTERS: tuple[str, ...] = ("claire", "james", "mark")
"""Characters that have stylization files of their own."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    `minimum` and `maximum` are allowed values (`open_minimum`: the minimum itself is not); both are
    infinite where nothing bounds it. `library` is the default of the SDK, `characters` the defaults
    of `CHARACTERS` in their order. `request` is None where only files can set the parameter, `file`
    where only requests can. `section` is the place of the key in the stylization file. A parameter
    with a value for every emotion or shape says so in `each`; range and defaults are then those of
    one entry, and a missing entry has the default.
    """

    name: str
    group: Group
    request: str | None
    file: str | None
    minimum: float
    maximum: float
    library: Value
    characters: tuple[Value, Value, Value]
    unit: str
    meaning: str
    older: tuple[str, ...] = ()
    section: str = "a2f.face_params"
    kind: Kind = "number"
    open_minimum: bool = False
    each: Literal["", "emotion", "shape"] = ""

    def range_text(self) -> str:
        """The allowed values in words, for messages and tables."""
        if self.kind == "switch":
            return "true or false"
        if math.isinf(self.minimum) and math.isinf(self.maximum):
            return "any finite number"
        if math.isinf(self.maximum):
            return f"more than {self.minimum:g}" if self.open_minimum else f"{self.minimum:g} or more"
        return f"{self.minimum:g} to {self.maximum:g}"


def _face(
    name: str,
    request: str | None,
    file: str | None,
    bounds: tuple[float, float],
    library: float,
    characters: float | tuple[float, float, float],
    unit: str,
    meaning: str,
    *older: str,
) -> Parameter:
    each = characters if isinstance(characters, tuple) else (characters,) * 3
    return Parameter(name, "face", request, file, *bounds, library, each, unit, meaning, older)


def _emotion(
    name: str,
    bounds: tuple[float, float],
    library: Value,
    stylization: Value,
    unit: str,
    meaning: str,
    kubernetes: str,
    kind: Kind = "number",
) -> Parameter:
    return Parameter(
        name, "emotion", name, name, *bounds, library, (stylization,) * 3, unit, meaning, (kubernetes,),
        "a2e.post_processing_params", kind,
    )  # fmt: skip


def _solver(name: str, file: str, minimum: float, library: float, unit: str, meaning: str) -> Parameter:
    return Parameter(
        name, "solver", None, file, minimum, math.inf, library, (library,) * 3, unit, meaning, section="blendshape_params"
    )  # fmt: skip


_ANY = (-math.inf, math.inf)
_SHARE = (0.0, 1.0)
_STRENGTH = (0.0, 2.0)
_SHIFT = (-3.0, 3.0)
_ANGLE = (-10.0, 10.0)
_SMOOTHING = (0.0, 0.1)

FACE: tuple[Parameter, ...] = (
    _face("input_strength", None, "input_strength", _ANY, 1.0, (1.0, 1.0, 1.3), "gain", "multiplies the audio samples before the network"),
    _face("lower_face_smoothing", "lowerFaceSmoothing", "lower_face_smoothing", _SMOOTHING, 0.0023, (0.006, 0.006, 0.0023), "s", "half-life of the filter on the lower face; 0 switches it off"),
    _face("upper_face_smoothing", "upperFaceSmoothing", "upper_face_smoothing", _SMOOTHING, 0.001, 0.001, "s", "half-life of the filter on the upper face; 0 switches it off"),
    _face("lower_face_strength", "lowerFaceStrength", "lower_face_strength", _STRENGTH, 1.3, (1.25, 1.2, 1.4), "gain", "multiplies the motion of the lower face"),
    _face("upper_face_strength", "upperFaceStrength", "upper_face_strength", _STRENGTH, 1.0, 1.0, "gain", "multiplies the motion of the upper face"),
    _face("face_mask_level", "faceMaskLevel", "face_mask_level", _SHARE, 0.6, 0.6, "of face height", "where lower and upper face meet, from the chin up"),
    _face("face_mask_softness", "faceMaskSoftness", "face_mask_softness", (0.001, 0.5), 0.0085, 0.0085, "of face height", "how gradually they meet"),
    _face("skin_strength", "skinStrength", "skin_strength", _STRENGTH, 1.0, (1.0, 1.0, 1.1), "gain", "multiplies the motion of the skin"),
    _face("blink_strength", "blinkStrength", "blink_strength", _STRENGTH, 1.0, 1.0, "gain", "multiplies blink_offset"),
    _face("eyelid_open_offset", "eyelidOpenOffset", "eyelid_offset", (-1.0, 1.0), 0.06, (0.0, 0.06, 0.06), "of closing", "moves the lids: -1 closed, 1 wide open", "eyelid_open_offset"),
    _face("lip_open_offset", "lipOpenOffset", "lip_close_offset", (-0.2, 0.2), -0.03, (0.0, -0.02, -0.03), "of opening", "moves the lips: positive is open", "lip_open_offset"),
    _face("blink_offset", "blinkOffset", None, _SHARE, 0.0, 0.0, "of closing", "closes the eyes: 1 is shut"),
    _face("tongue_strength", "tongueStrength", "tongue_strength", (0.0, 3.0), 1.5, 1.3, "gain", "multiplies the motion of the tongue"),
    _face("tongue_height_offset", "tongueHeightOffset", "tongue_height_offset", _SHIFT, 0.2, 0.0, "mesh units", "moves the tongue up"),
    _face("tongue_depth_offset", "tongueDepthOffset", "tongue_depth_offset", _SHIFT, 0.13, 0.0, "mesh units", "moves the tongue forward"),
    _face("lower_teeth_strength", None, "lower_teeth_strength", _STRENGTH, 1.0, 1.25, "gain", "multiplies the motion of the jaw"),
    _face("lower_teeth_height_offset", None, "lower_teeth_height_offset", _SHIFT, 0.0, 0.0, "mesh units", "moves the lower teeth up"),
    _face("lower_teeth_depth_offset", None, "lower_teeth_depth_offset", _SHIFT, 0.0, 0.0, "mesh units", "moves the lower teeth forward"),
    _face("eyeballs_strength", None, "eyeballs_strength", _STRENGTH, 1.0, 1.0, "gain", "multiplies the predicted rotation of the eyes"),
    _face("saccade_strength", None, "saccade_strength", _STRENGTH, 1.0, 0.6, "gain", "multiplies the small movements of the eyes"),
    _face("right_eye_rot_x_offset", None, "right_eye_rot_x_offset", _ANGLE, 0.0, 0.0, "degrees", "turns the right eye about x"),
    _face("right_eye_rot_y_offset", None, "right_eye_rot_y_offset", _ANGLE, 0.0, 0.0, "degrees", "turns the right eye about y"),
    _face("left_eye_rot_x_offset", None, "left_eye_rot_x_offset", _ANGLE, 0.0, 0.0, "degrees", "turns the left eye about x"),
    _face("left_eye_rot_y_offset", None, "left_eye_rot_y_offset", _ANGLE, 0.0, 0.0, "degrees", "turns the left eye about y"),
    _face("eye_saccade_seed", None, "eye_saccade_seed", (0.0, 4999.0), 0.0, 0.0, "row", "where the table of eye movements is entered"),
)  # fmt: skip
"""Parameters of the face; keys of `FaceParameters.float_params` and of `a2f.face_params`.

Keys that only the `faceParams` block of 1.0 has keep the defaults of that block for every character.
"""

EMOTION: tuple[Parameter, ...] = (
    _emotion("emotion_contrast", (0.3, 3.0), 1.0, 1.0, "gain", "multiplies the detector's logits", "a2eEmotionContrast"),
    _emotion("max_emotions", (1, 6), 6, 3, "emotions", "how many of the strongest detected emotions are kept", "a2eMaxEmotions", "integer"),
    _emotion("live_blend_coef", _SHARE, 0.7, 0.7, "share", "share of the previous frame in the smoothing", "a2eLiveBlendCoef"),
    _emotion("enable_preferred_emotion", _SHARE, False, True, "", "whether keyframes are blended in", "a2eEnablePreferredEmotion", "switch"),
    _emotion("preferred_emotion_strength", _SHARE, 0.5, 0.5, "share", "share of the keyframes", "a2ePreferredEmotionStrength"),
    Parameter(
        "live_transition_time", "emotion", "live_transition_time", "live_transition_time", 0.0, math.inf, 0.5, (0.5, 0.5, 0.5),
        "s", "time constant of the change from one frame's emotions to the next", section="a2e", open_minimum=True,
    ),
    _emotion("emotion_strength", _SHARE, 0.6, 0.6, "gain", "multiplies the result", "a2eEmotionStrength"),
)  # fmt: skip
"""Parameters of the emotion post-processing, named alike in requests and files; `older` is the Kubernetes key of 1.0."""

SOLVER: tuple[Parameter, ...] = (
    _solver("l1", "strengthL1regularization", 0.0, 1.0, "weight", "pulls the sum of all weights to 0"),
    _solver("l2", "strengthL2regularization", 0.0, 3.5, "weight", "pulls every weight to 0"),
    _solver("symmetry", "strengthSymmetry", 0.0, 100.0, "weight", "pulls the members of a symmetry pair together"),
    _solver("temporal", "strengthTemporalSmoothing", 0.0, 0.0, "weight", "pulls a frame towards the one before"),
    _solver(
        "template_bb_size",
        "templateBBSize",
        1.0,
        54.7,
        "mesh units",
        "box diagonal that the other weights were tuned for",
    ),
)
"""Parameters of the blend-shape solver, keys of `blendshape_params` in a model's JSON file."""

SHAPES: tuple[Parameter, ...] = (
    Parameter(
        "enable_clamping_bs_weight", "shapes", "enable_clamping_bs_weight", "enable_clamping_bs_weight", *_SHARE, False,
        (False,) * 3, "", "whether streamed weights are clamped to 0..1", section="a2f.blendshape_params", kind="switch",
    ),
)  # fmt: skip
"""Parameters of the streamed weights, besides those with a value for every shape."""

BEGINNING_EMOTION = Parameter(
    "beginning_emotion", "emotion", "beginning_emotion", "default_beginning_emotions", *_SHARE, 0.0, (0.0,) * 3, "weight",
    "emotion that the smoothing starts from", ("faceParams.emotion",), "", each="emotion",
)  # fmt: skip
KEYFRAME_EMOTION = Parameter(
    "emotion", "emotion", "emotion", None, *_SHARE, 0.0, (0.0,) * 3, "weight", "preferred emotion of a keyframe", each="emotion"
)  # fmt: skip
WEIGHT_MULTIPLIERS = Parameter(
    "weight_multipliers", "shapes", "bs_weight_multipliers", "weight_multipliers", *_ANY, 1.0, (1.0,) * 3, "gain",
    "multiplies a shape's weight", ("bs_weight_multipliers", "bsWeightMultipliers"), "a2f.blendshape_params", each="shape",
)  # fmt: skip
WEIGHT_OFFSETS = Parameter(
    "weight_offsets", "shapes", "bs_weight_offsets", "weight_offsets", *_ANY, 0.0, (0.0,) * 3, "weight",
    "is added to a shape's weight after the multiplier", (), "a2f.blendshape_params", each="shape",
)  # fmt: skip

SCALARS: tuple[Parameter, ...] = FACE + EMOTION + SOLVER + SHAPES
"""Parameters with one value."""
MAPS: tuple[Parameter, ...] = (BEGINNING_EMOTION, KEYFRAME_EMOTION, WEIGHT_MULTIPLIERS, WEIGHT_OFFSETS)
"""Parameters with a value for every emotion or shape."""
TABLE: tuple[Parameter, ...] = SCALARS + MAPS
BY_NAME: dict[str, Parameter] = {parameter.name: parameter for parameter in TABLE}
FACE_BY_REQUEST: dict[str, Parameter] = {parameter.request: parameter for parameter in FACE if parameter.request}
"""Face parameters by the key that a request uses."""
FACE_BY_FILE: dict[str, Parameter] = {
    key: parameter for parameter in FACE for key in (parameter.file, *parameter.older) if key
}
"""Face parameters by every key that a file may use."""

UNUSED_FACE_KEYS: tuple[str, ...] = (
    "prediction_delay", "blink_interval", "keyframer_fps", "a2e_window_size", "a2e_stride", "a2e_emotion_strength",
    "a2e_smoothing_kernel_radius", "a2e_max_emotions", "a2e_contrast", "a2e_preferred_emotion_strength",
    "a2e_auto_generate", "a2e_force_set_keys",
)  # fmt: skip
"""Keys of the 1.0 `faceParams` block that a service reads without effect."""


def check(parameter: Parameter, value: object, *, called: str = "") -> Value:
    """The value as the parameter's kind; UnprocessableError names parameter, value and range.

    Bounds are compared in single precision, the precision of the wire: 0.1 arrives there as
    0.10000000149 and is still 0.1. Nothing is clamped. `called` is the name in the message, by
    default the request's.
    """
    name = called or parameter.request or parameter.file or parameter.name
    if parameter.kind == "switch":
        if not isinstance(value, bool):
            raise _refusal(name, value, "is not a switch", parameter)
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise _refusal(name, value, "is not a number", parameter)
    if not _within(value, parameter):
        raise _refusal(name, value, "is out of range", parameter)
    if parameter.kind == "integer":
        if value != int(value):
            raise _refusal(name, value, "is not a whole number", parameter)
        return int(value)
    return float(value)


def check_entries(parameter: Parameter, values: Mapping[str, object]) -> dict[str, float]:
    """Checked entries of one of `MAPS`, by emotion or shape; names that do not exist are checked too, and kept."""
    called = parameter.request or parameter.name
    return {name: float(check(parameter, value, called=f"{called}.{name[:40]}")) for name, value in values.items()}


def defaults(parameters: Iterable[Parameter] = SCALARS, *, character: str = "") -> dict[str, Value]:
    """Default values by name: of a character's stylization file, or of the library; UnknownChoiceError for another character."""
    if not character:
        return {parameter.name: parameter.library for parameter in parameters}
    if character not in CHARACTERS:
        raise UnknownChoiceError(
            f"no character '{character[:40]}'; there are: {', '.join(CHARACTERS)}", param="character"
        )
    column = CHARACTERS.index(character)
    return {parameter.name: parameter.characters[column] for parameter in parameters}


def face_values(requested: Mapping[str, object]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Values by name from a request's `float_params`, and the keys that no parameter has.

    Known keys are checked (UnprocessableError); unknown ones are for a warning, not an error.
    """
    known = {key: FACE_BY_REQUEST[key] for key in requested if key in FACE_BY_REQUEST}
    values = {parameter.name: float(check(parameter, requested[key], called=key)) for key, parameter in known.items()}
    return values, tuple(key for key in requested if key not in known)


_LARGEST = float(np.finfo(np.float32).max)


def _within(value: float, parameter: Parameter) -> bool:
    if not -_LARGEST <= value <= _LARGEST:
        return False
    single, minimum, maximum = (float(np.float32(number)) for number in (value, parameter.minimum, parameter.maximum))
    return minimum <= single <= maximum and not (parameter.open_minimum and value <= parameter.minimum)


def _refusal(name: str, value: object, fault: str, parameter: Parameter) -> UnprocessableError:
    shown = str(value)[:40]
    return UnprocessableError(f"{name} = {shown} {fault}; allowed is {parameter.range_text()}", param=name)
