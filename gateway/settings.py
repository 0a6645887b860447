"""Settings of the gateway: `AVATAR_GATEWAY_*`, and the names OPEA's compose files use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from comps.core.settings import ServiceSettings

IN_PROCESS = "local"
"""A service "URL" that means: run that service inside the gateway's own process."""

OPEA_HOSTS: dict[str, tuple[str, ...]] = {
    "asr_url": ("WHISPER_SERVER", "ASR_SERVICE"),
    "llm_url": ("LLM_SERVER", "LLM_SERVICE"),
    "tts_url": ("SPEECHT5_SERVER", "TTS_SERVICE"),
    "animation_url": ("ANIMATION_SERVICE",),
}
"""Field to OPEA's variable stems, each with ``_HOST_IP`` and ``_PORT``; the first one set wins."""

DEFAULT_PORTS: dict[str, int] = {"asr_url": 7066, "llm_url": 3006, "tts_url": 7055, "animation_url": 9066}


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "avatarchatbot" / "outputs"


class GatewaySettings(ServiceSettings):
    """Where the services are, and what the gateway keeps and allows."""

    model_config = SettingsConfigDict(env_prefix="AVATAR_GATEWAY_")
    also_read: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **{field: tuple(f"{stem}_HOST_IP/_PORT" for stem in stems) for field, stems in OPEA_HOSTS.items()},
        "host": ("MEGA_SERVICE_HOST_IP",),
        "port": ("MEGA_SERVICE_PORT",),
        "default_response_format": ("DEFAULT_RESPONSE_FORMAT",),
        "outputs_dir": ("OUTFILE", "AVATAR_OUTPUT_DIR"),
        "fps": ("FPS",),
    }

    port: int = Field(3009, ge=0, le=65535, description="TCP port; 0 lets the system choose")
    asr_url: str = Field(
        "http://127.0.0.1:7066", description="speech recognition service; local: in process; empty: none"
    )
    llm_url: str = Field("http://127.0.0.1:3006", description="language model service; local: in process; empty: none")
    tts_url: str = Field("http://127.0.0.1:7055", description="speech service; local: in process; empty: none")
    animation_url: str = Field("http://127.0.0.1:9066", description="animation service; local: in process; empty: none")
    llm_api_key: str = Field("", description="bearer token for the language model service; empty sends none")
    llm_model: str = Field("", description="model asked of the language model service when a request names none")
    fps: int = Field(25, ge=5, le=60, description="frames per second of answers that do not ask for others")
    size: int = Field(512, ge=64, le=1024, multiple_of=2, description="longer side of the video, pixels")
    max_turns: int = Field(8, gt=0, description="answers made at once; more get 429")
    max_concurrent: int = Field(128, gt=0, description="requests served at once, the page's files included")
    outputs_dir: Path = Field(default_factory=_cache_folder, description="folder of finished videos")
    video_age_s: float = Field(3600.0, gt=0, description="how long a finished video is kept, seconds")
    video_count: int = Field(200, gt=0, description="most finished videos kept")
    video_bytes: int = Field(2 * 1024**3, gt=0, description="most bytes of finished videos kept")
    session_age_s: float = Field(1800.0, gt=0, description="how long an idle session_id is remembered, seconds")
    session_count: int = Field(1000, gt=0, description="most sessions remembered")
    max_tokens: int = Field(2048, gt=0, description="longest answer a request can ask for; larger values are capped")
    default_response_format: Literal["path", "url", "json", "object", "b64_json"] = Field(
        "path", description="reply of POST /v1/avatarchatbot when the request names none"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources of every service, then OPEA's names."""
        usual = super().settings_customise_sources(
            settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
        )
        return *usual, _OpeaSource(settings_cls)


class _OpeaSource(PydanticBaseSettingsSource):
    """Reads OPEA's variables: hosts and ports of the services, the gateway's port, the output file's folder."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Unused: OPEA's variables do not map to fields one to one."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in _opea_values(os.environ).items() if value}


def _opea_values(env: Any) -> dict[str, str]:
    values = {field: _opea_url(env, stems, DEFAULT_PORTS[field]) for field, stems in OPEA_HOSTS.items()}
    values["port"] = env.get("MEGA_SERVICE_PORT", "")
    # OPEA's host is the address clients use, which a container does not have: it means "reachable from outside".
    host = env.get("MEGA_SERVICE_HOST_IP", "")
    values["host"] = host if host in ("", "127.0.0.1", "localhost") else "0.0.0.0"
    values["default_response_format"] = env.get("DEFAULT_RESPONSE_FORMAT", "")
    outfile = env.get("OUTFILE", "")
    values["outputs_dir"] = os.path.dirname(os.path.abspath(outfile)) if outfile else env.get("AVATAR_OUTPUT_DIR", "")
    values["fps"] = env.get("FPS", "")
    return values


def _opea_url(env: Any, stems: tuple[str, ...], default_port: int) -> str:
    for stem in stems:
        host, port = env.get(f"{stem}_HOST_IP", ""), env.get(f"{stem}_PORT", "")
        if host or port:
            reachable = "127.0.0.1" if host in ("", "0.0.0.0") else host
            return f"http://{reachable}:{port or default_port}"
    return ""
