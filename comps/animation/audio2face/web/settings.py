"""What the animation service can be told about Audio2Face; nothing heavy here, as every animation service reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from comps.core.settings import ServiceSettings


class Audio2FaceSettings(ServiceSettings):
    """The `a2f_*` fields of the animation service's settings. Files are read when the first clip comes."""

    a2f_inference: Literal["embedded", "onnx"] = Field(
        "embedded", description="Audio2Face: what moves the face; onnx is NVIDIA's published networks"
    )
    a2f_stylization_config: Path | None = Field(
        None, description="Audio2Face: a stylization file of 2.0; files need the extra audio2face"
    )
    a2f_deployment_config: Path | None = Field(None, description="Audio2Face: a deployment file of 2.0")
    a2f_advanced_config: Path | None = Field(None, description="Audio2Face: an advanced file of 2.0")
