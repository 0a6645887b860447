"""What the animation service can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import SettingsConfigDict

from comps.animation.audio2face.web.settings import Audio2FaceSettings
from comps.animation.engines.gfpgan.settings import GfpganSettings
from comps.animation.engines.liveavatar.settings import LiveAvatarSettings
from comps.animation.engines.sadtalker.settings import SadTalkerSettings
from comps.animation.engines.wav2lip.settings import Wav2LipSettings
from comps.animation.jobs.settings import JobSettings
from comps.animation.pace.folder import pace_folder
from comps.core.user_data import user_data

_INFERENCE_MODES = {"wav2lip_only": ("wav2lip", ""), "wav2lip+gfpgan": ("wav2lip", "gfpgan")}
"""OPEA's values of INFERENCE_MODE, and the engine and the enhancer that do them."""
_ENHANCER_NAMES = ("enhancer", "AVATAR_ANIMATION_ENHANCER")


def _names(field: str, *others: str) -> AliasChoices:
    """The field's own name and variable, and the `others` that mean the same."""
    return AliasChoices(field, f"AVATAR_ANIMATION_{field.upper()}", *others)


VideoPreset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"]
"""Of x264, from quick and large to slow and small."""


class AnimationSettings(
    Wav2LipSettings, GfpganSettings, SadTalkerSettings, LiveAvatarSettings, JobSettings, Audio2FaceSettings
):
    """`AVATAR_ANIMATION_*`; the aliases are the names shared with the gateway and those of OPEA."""

    model_config = SettingsConfigDict(env_prefix="AVATAR_ANIMATION_")

    port: int = Field(9066, ge=0, le=65535, description="TCP port", validation_alias=_names("port", "WAV2LIP_PORT"))
    engine: str = Field(
        "portrait",
        description="engine of requests that name none",
        validation_alias=_names("engine", "INFERENCE_MODE"),
    )
    enhancer: str = Field("", description="what makes the faces of answers better that do not say: gfpgan, or empty")
    enhancer_strength: float = Field(
        1.0, ge=0, le=1, description="0 shows the faces as drawn, 1 as the enhancer made them"
    )
    data_dir: Path = Field(
        default_factory=user_data,
        description="folder of uploaded avatars",
        validation_alias=_names("data_dir", "AVATAR_DATA_DIR"),
    )
    output_dir: Path = Field(
        default_factory=lambda: user_data() / "outputs",
        description="folder of finished videos; a path that ends in .mp4 means its folder",
        validation_alias=_names("output_dir", "AVATAR_OUTPUT_DIR", "OUTFILE"),
    )
    default_avatar: str = Field("", description="avatar of requests that name none; empty takes the first one shipped")
    face: Path | None = Field(
        None,
        description="picture that becomes the default avatar when the service starts",
        validation_alias=_names("face", "FACE"),
    )
    face_landmarker: Path | None = Field(
        None,
        description="MediaPipe's face_landmarker.task; needs the extra mediapipe",
        validation_alias=_names("face_landmarker", "AVATAR_FACE_LANDMARKER"),
    )
    upscaler: str = Field(
        "",
        pattern=r"^([A-Za-z_][\w.]*:[A-Za-z_]\w*)?$",
        description="package.module:function that enlarges small pictures when the coach mends them, see coach.md",
    )
    fps: int = Field(
        25, ge=5, le=60, description="frames per second when not asked for", validation_alias=_names("fps", "FPS")
    )
    size: int = Field(512, ge=64, le=1024, description="longer side of the video in pixels when not asked for")
    video_preset: VideoPreset = Field("superfast", description="x264 preset: ultrafast is quicker, veryfast is smaller")
    pace_dir: Path = Field(default_factory=pace_folder, description="folder of how long engines take on this machine")
    max_sessions: int = Field(16, gt=0, description="answers animated at once; more get 429")
    session_idle_s: float = Field(60.0, gt=0, description="seconds a session may wait for its client")
    max_avatars: int = Field(200, gt=0, description="most avatars kept")
    max_avatar_bytes: int = Field(1024**3, gt=0, description="most bytes of avatars kept")
    max_avatar_video_s: float = Field(60.0, gt=0, description="longest video that becomes an avatar, seconds")
    max_outputs: int = Field(200, gt=0, description="most finished videos kept")
    max_output_age_s: float = Field(86_400.0, gt=0, description="seconds after which a finished video is deleted")

    @model_validator(mode="before")
    @classmethod
    def _translate(cls, values: Any) -> Any:
        """OPEA's INFERENCE_MODE names an engine and perhaps an enhancer, and its OUTFILE a file in the output folder."""
        if not isinstance(values, dict):
            return values
        changed = dict(values)
        for key in ("engine", "INFERENCE_MODE"):
            if str(changed.get(key)) in _INFERENCE_MODES:
                changed[key], enhancer = _INFERENCE_MODES[str(changed[key])]
                if enhancer and not any(name in changed for name in _ENHANCER_NAMES):
                    changed["enhancer"] = enhancer
        for key in ("output_dir", "AVATAR_OUTPUT_DIR", "OUTFILE"):
            if key in changed and str(changed[key]).endswith(".mp4"):
                changed[key] = Path(str(changed[key])).parent
        return changed
