"""What clients may ask of the animation service."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from comps.animation.speech_input import check_rate

NO_ENHANCER = "none"
"""What a request calls doing without the enhancer that the service would use."""
_NAME = Field("", max_length=40)
PROMPT_CHARACTERS = 4000
"""Longest prompt: some 600 words, where engines read at most 512 tokens."""
_FPS = Field(None, ge=5, le=60)
_SIZE = Field(None, ge=64, le=1024)


class Look(BaseModel):
    """How the answer shall look; what is left out is the service's default."""

    model_config = ConfigDict(extra="ignore")

    avatar: str = Field("", max_length=64, description="id of an avatar")
    engine: str | None = Field(None, max_length=40, description="name of an engine")
    preset: str = Field("", max_length=40, description="quick, standard or quality; size, fps, enhancer overrule it")
    fps: int | None = _FPS
    size: int | None = _SIZE
    emotion: str = _NAME
    prompt: str = Field(
        "", max_length=PROMPT_CHARACTERS, description="mood, manner and backdrop in words; see direction"
    )
    backdrop: str = Field("", max_length=40, description="own, blurred, studio, studio:COLOUR or plain:COLOUR")
    seed: int = Field(0, ge=0, lt=2**31)
    enhancer: str = Field("", max_length=40, description="what makes the faces better; none switches it off")
    enhancer_strength: float | None = Field(None, ge=0, le=1, description="0 shows the faces as drawn, 1 as restored")

    @field_validator("size")
    @classmethod
    def _even(cls, size: int | None) -> int | None:
        if size is not None and size % 2:
            raise ValueError("size is an even number of pixels")
        return size


class StartMessage(Look):
    """The first message of a session."""

    type: Literal["start"]
    sample_rate: int
    format: Literal["fmp4", "raw"] = "fmp4"

    @field_validator("sample_rate")
    @classmethod
    def _possible(cls, rate: int) -> int:
        return check_rate(rate)


class AnimationRequest(Look):
    """OPEA's request: the speech as base64 in `byte_str`, or `audio`; `image` is a base64 picture for this once."""

    byte_str: str | None = None
    audio: str | None = None
    image: str | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> AnimationRequest:
        if not self.byte_str and not self.audio:
            raise ValueError("'audio' (or 'byte_str') is missing: send the speech as base64")
        if self.byte_str and self.audio and self.byte_str != self.audio:
            raise ValueError("'audio' and 'byte_str' disagree: send one of them")
        if self.image and self.avatar:
            raise ValueError("'image' and 'avatar' disagree: send one of them")
        return self

    @property
    def speech(self) -> str:
        """The base64 of the speech, whichever field it came in."""
        return self.audio or self.byte_str or ""


class NewAvatar(BaseModel):
    """An avatar as JSON: the picture as base64, its rig if it is known, and the voice that goes with the face."""

    image: str
    name: str = Field("", max_length=200)
    rig: dict[str, object] | None = None
    voice: str = Field("", max_length=100)
