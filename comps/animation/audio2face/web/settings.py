"""What the animation service can be told about Audio2Face; nothing heavy here, as every animation service reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field

from comps.core.settings import ServiceSettings


def _name(field: str) -> AliasChoices:
    """The field's own name and the variable of the gRPC service, which is told the same."""
    return AliasChoices(field, f"AVATAR_{field.upper()}")


class Audio2FaceSettings(ServiceSettings):
    """The `audio2face_*` fields of the animation service's settings. Files are read when the first clip comes."""

    audio2face_inference: Literal["embedded", "onnx"] = Field(
        "embedded",
        description="Audio2Face: what moves the face; onnx is NVIDIA's published networks",
        validation_alias=_name("audio2face_inference"),
    )
    audio2face_stylization_config: Path | None = Field(
        None,
        description="Audio2Face: a stylization file of 2.0; files need the extra audio2face",
        validation_alias=_name("audio2face_stylization_config"),
    )
    audio2face_deployment_config: Path | None = Field(
        None,
        description="Audio2Face: a deployment file of 2.0",
        validation_alias=_name("audio2face_deployment_config"),
    )
    audio2face_advanced_config: Path | None = Field(
        None, description="Audio2Face: an advanced file of 2.0", validation_alias=_name("audio2face_advanced_config")
    )
