"""What the enhancer GFPGAN can be told; no torch here, as every animation service reads it."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field

from comps.animation.neural.backend_name import BackendName
from comps.core.settings import ServiceSettings


class GfpganSettings(ServiceSettings):
    """The `gfpgan_*` fields of the animation service's settings."""

    gfpgan_version: str = Field(
        "1.4",
        description="GFPGAN: which weights in models_dir: 1.2, 1.3 or 1.4",
        validation_alias=AliasChoices("gfpgan_version", "AVATAR_ANIMATION_GFPGAN_VERSION", "GFPGAN_MODEL_VERSION"),
    )
    gfpgan_upscale: int = Field(
        1,
        ge=1,
        le=2,
        description="GFPGAN: how many times wider and higher the video becomes",
        validation_alias=AliasChoices("gfpgan_upscale", "AVATAR_ANIMATION_GFPGAN_UPSCALE", "UPSCALE_FACTOR"),
    )
    gfpgan_mask: Literal["ellipse", "parse", "square"] = Field(
        "ellipse",
        description="GFPGAN: where the restored face shows: a feathered ellipse, the face's outline by ParseNet as in "
        "the original (more than twice the time), or the whole aligned square",
    )
    gfpgan_only_centre: bool = Field(True, description="GFPGAN: of several faces only the one nearest to the middle")
    gfpgan_device: str = Field("auto", description="GFPGAN: auto, cpu, cuda, cuda:1, rocm, xpu or hpu")
    gfpgan_backend: BackendName = Field(
        "auto", description="GFPGAN: how the network runs; auto measures once and takes the fastest"
    )
    gfpgan_batch: int = Field(
        4, ge=1, le=256, description="GFPGAN: most faces, of all answers, restored at once; each takes 0.5 GB"
    )
    gfpgan_max_wait_ms: float = Field(
        5.0, ge=0, le=1000, description="GFPGAN: milliseconds a face may wait for faces of other answers"
    )
