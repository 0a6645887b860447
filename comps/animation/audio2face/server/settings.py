"""What the Audio2Face service can be told besides its three files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from comps.animation.audio2face.inference.choice import Inference, Provider
from comps.animation.audio2face.server.workers import cores
from comps.core.settings import ServiceSettings


class Audio2FaceServiceSettings(ServiceSettings):
    """`AVATAR_AUDIO2FACE_*`; `host` and `port` are those of HTTP, and the host also that of gRPC."""

    model_config = SettingsConfigDict(env_prefix="AVATAR_AUDIO2FACE_")

    port: int = Field(8000, ge=0, le=65535, description="TCP port of HTTP; 0 lets the system choose")
    grpc_port: int | None = Field(
        None, ge=0, le=65535, description="port of gRPC; that of the deployment file or 52000 without it"
    )
    authoring_port: int = Field(50051, ge=0, le=65535, description="port of the authoring service")
    authoring: bool = Field(True, description="whether the authoring service is offered")
    legacy: bool = Field(
        False, description="whether audio is also taken on 50000 and its animation pushed to 51000, as before 2.0"
    )
    stylization_config: Path | None = Field(None, description="the character's file")
    deployment_config: Path | None = Field(None, description="file of addresses, encryption and telemetry")
    advanced_config: Path | None = Field(None, description="file of limits and pacing")
    inference: Inference = Field(
        "embedded", description="what moves the face: embedded, or onnx for published networks"
    )
    emotion_inference: Inference | None = Field(None, description="what hears emotions; the same without it")
    provider: Provider = Field("auto", description="what ONNX Runtime computes with")
    fps: Literal[30, 60] = Field(30, description="frames per second of the streams")
    liveness: bool = Field(True, description="whether blinks and gaze are added")
    carry_unmapped: bool = Field(False, description="emotions without a detector channel as in the SDK")
    processes: int | None = Field(
        None,
        ge=0,
        le=64,
        description="processes that compute, 0 for threads of the service; without it one for each core, and 0 with onnx",
    )

    @property
    def benches(self) -> int:
        """Processes that compute; 0 is threads of the service itself."""
        if self.processes is not None:
            return self.processes
        return cores() if self.inference == "embedded" else 0
