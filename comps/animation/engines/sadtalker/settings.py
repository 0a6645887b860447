"""What the engine SadTalker can be told; no torch here, as every animation service reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from comps.animation.neural.backend_name import BackendName
from comps.core.settings import ServiceSettings

Preprocess = Literal["crop", "extcrop", "resize", "full", "extfull"]
Paste = Literal["feather", "poisson"]


def _numbers(value: Any) -> Any:
    """The parts of a text such as ``0 20 -5``, ``0,20,-5`` or ``[0, 20, -5]``."""
    return value.strip("[] ").replace(",", " ").split() if isinstance(value, str) else value


Degrees = Annotated[tuple[float, ...], NoDecode, BeforeValidator(_numbers)]


class SadTalkerSettings(ServiceSettings):
    """The `sadtalker_*` fields of the animation service's settings."""

    sadtalker_device: str = Field("auto", description="SadTalker: auto, cpu, cuda, cuda:1, rocm, xpu or hpu")
    sadtalker_backend: BackendName = Field(
        "auto", description="SadTalker: how the generator runs; auto measures once and takes the fastest"
    )
    sadtalker_size: Literal[256, 512] = Field(256, description="SadTalker: pixels of the face it draws")
    sadtalker_preprocess: Preprocess = Field(
        "crop",
        description="SadTalker: the face alone (crop; extcrop has more around it), the whole picture squeezed (resize), "
        "or the face put back into the picture (full, extfull)",
    )
    sadtalker_paste: Paste = Field(
        "feather", description="SadTalker: how full puts the face back; poisson is the original's, and slow"
    )
    sadtalker_pose_style: int = Field(0, ge=0, le=45, description="SadTalker: manner of the head's motion")
    sadtalker_still: bool = Field(False, description="SadTalker: the head keeps the pose of the picture")
    sadtalker_expression_scale: float = Field(1.0, ge=0, le=3, description="SadTalker: strength of the expression")
    sadtalker_pose_step: Literal[4, 8, 16, 32] = Field(
        32, description="SadTalker: frames of head motion drawn at once; 32 is the original's, fewer wait less"
    )
    sadtalker_yaw: Degrees = Field(
        (),
        description="SadTalker: degrees the head is turned by, such as 0 20 -5; walked over the answer, all of which is heard first",
    )
    sadtalker_pitch: Degrees = Field((), description="SadTalker: degrees it nods, as sadtalker_yaw")
    sadtalker_roll: Degrees = Field((), description="SadTalker: degrees it leans, as sadtalker_yaw")
    sadtalker_eye_video: Path | None = Field(None, description="SadTalker: video whose face lends its eye blinks")
    sadtalker_pose_video: Path | None = Field(None, description="SadTalker: video whose face lends its head motion")
    sadtalker_batch: int = Field(2, ge=1, le=64, description="SadTalker: most frames, of all answers, drawn at once")
    sadtalker_avatars: int = Field(
        8, ge=1, le=256, description="SadTalker: prepared avatars kept, 9 MB each at 256 pixels and 38 at 512"
    )
