"""What a client asks for, in JSON: the fields of the gRPC messages by their names, and how the answer shall look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.configuration.layers import StreamRequest
from comps.animation.audio2face.keyframes import MOST_KEYS
from comps.animation.audio2face.parameters import EMOTION
from comps.core.errors import BadRequestError, UnprocessableError

_TRANSITION = "live_transition_time"
POST_PROCESSING: tuple[str, ...] = tuple(row.name for row in EMOTION if row.name != _TRANSITION)
"""Fields of `emotion_post_processing_params`."""
Values = Mapping[str, Any]


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")


class FaceParams(_Message):
    """`FaceParameters`; only the float map counts, as on the wire."""

    float_params: Values = Field({}, max_length=200)


class EmotionParams(_Message):
    """`EmotionParameters`."""

    live_transition_time: float | None = None
    beginning_emotion: Values = Field({}, max_length=100)


class ShapeParams(_Message):
    """`BlendShapeParameters`."""

    bs_weight_multipliers: Values = Field({}, max_length=500)
    bs_weight_offsets: Values = Field({}, max_length=500)
    enable_clamping_bs_weight: bool | None = None


class Keyframe(_Message):
    """`EmotionWithTimeCode`: seconds from the start of the clip, weights 0..1 by emotion."""

    time_code: float
    emotion: dict[str, float] = Field({}, max_length=100)


class Parameters(_Message):
    """Everything that a stream's header may say besides its audio.

    Ranges are checked by the pipeline, whose messages name parameter, value and range.
    """

    fps: Literal[30, 60] = 30
    face_params: FaceParams = FaceParams()
    emotion_post_processing_params: Values = {}
    emotion_params: EmotionParams = EmotionParams()
    blendshape_params: ShapeParams = ShapeParams()
    emotions: list[Keyframe] = Field([], max_length=MOST_KEYS, description="keyframes known beforehand")
    echo_audio: bool = Field(False, description="frames in JSON have their slice of the audio, base64")

    @field_validator("emotion_post_processing_params")
    @classmethod
    def _known(cls, values: Values) -> Values:
        unknown = [name for name in values if name not in POST_PROCESSING]
        if unknown:
            raise ValueError(f"no parameter '{unknown[0][:40]}'; there are: {', '.join(POST_PROCESSING)}")
        return values

    def request(self) -> StreamRequest:
        """The same for the pipeline."""
        time = self.emotion_params.live_transition_time
        return StreamRequest(
            face=self.face_params.float_params,
            emotion={**self.emotion_post_processing_params, **({} if time is None else {_TRANSITION: time})},
            beginning_emotion=self.emotion_params.beginning_emotion,
            weight_multipliers=self.blendshape_params.bs_weight_multipliers,
            weight_offsets=self.blendshape_params.bs_weight_offsets,
            clamp=self.blendshape_params.enable_clamping_bs_weight,
        )

    def keys(self) -> list[Key]:
        """The keyframes for the pipeline."""
        return keys_of(self.emotions)


class ClipParameters(Parameters):
    """What `POST /v1/audio2face` takes; `audio` and `mesh` are base64 in JSON and files in a form."""

    format: str = Field("", max_length=40)
    audio: str = ""
    mesh: str = ""


class StreamStart(Parameters):
    """The first message of `WS /v1/audio2face/stream`."""

    type: Literal["start"]
    sample_rate: int = Field(16_000, strict=True)


class StreamKeyframes(_Message):
    """Keyframes while audio comes."""

    emotions: list[Keyframe] = Field(max_length=MOST_KEYS)


def keys_of(keyframes: list[Keyframe]) -> list[Key]:
    """Keyframes as the pipeline takes them."""
    return [(key.time_code, key.emotion) for key in keyframes]


def refusal(error: ValidationError, prefix: str = "") -> BadRequestError | UnprocessableError:
    """The first fault that pydantic found, as the service's own error."""
    problem = error.errors(include_url=False)[0]
    if problem["type"] == "json_invalid":
        return BadRequestError(f"{prefix or 'the body'} is no JSON")
    field = ".".join(str(part) for part in problem["loc"])
    said = str(problem["msg"]).removeprefix("Value error, ")
    return UnprocessableError(f"{field}: {said}" if field else said, param=field or None)
