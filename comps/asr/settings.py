"""Settings of the ASR service (``AVATAR_ASR_*``)."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from comps.core.settings import ServiceSettings

SHIPPED_KNOWLEDGE = Path(__file__).resolve().parent.parent / "llm" / "knowledge_base"
"""The knowledge base about the product itself; plain files, read as text."""


class AsrSettings(ServiceSettings):
    """What the ASR service can be told."""

    model_config = SettingsConfigDict(env_prefix="AVATAR_ASR_")

    port: int = Field(7066, ge=0, le=65535, description="TCP port")
    engine: str = Field(
        "pocketsphinx",
        description="engine of requests that name none",
        validation_alias=AliasChoices("engine", "AVATAR_ASR_ENGINE", "ASR_COMPONENT_NAME"),
    )
    language: str = Field("", description="language of requests that name none; empty lets the engine find out")
    knowledge_dir: Path | None = Field(
        SHIPPED_KNOWLEDGE,
        description="folder of Markdown whose words and questions the engine pocketsphinx listens for",
        validation_alias=AliasChoices("knowledge_dir", "AVATAR_ASR_KNOWLEDGE_DIR", "AVATAR_KNOWLEDGE_DIR"),
    )
    adapt: bool = Field(True, description="whether pocketsphinx adapts to the knowledge folder")
    decoders: int = Field(2, gt=0, le=64, description="recognisers running at once in this process; about 100 MB each")
    model: str = Field(
        "",
        description="model name or path for whisper, faster_whisper and openai",
        validation_alias=AliasChoices("model", "AVATAR_ASR_MODEL", "ASR_MODEL_PATH"),
    )
    model_dir: Path | None = Field(
        None,
        description="folder with models of whisper and faster_whisper",
        validation_alias=AliasChoices("model_dir", "AVATAR_ASR_MODEL_DIR", "AVATAR_WEIGHTS_DIR"),
    )
    device: str = Field("auto", description="auto, cpu, cuda or another torch device, for whisper and faster_whisper")
    compute_type: str = Field("default", description="precision of faster_whisper: default, int8, float16, float32")
    download: bool = Field(False, description="whether whisper and faster_whisper may fetch a model that is not there")
    url: str = Field(
        "http://127.0.0.1:8000/v1",
        description="base URL of the OpenAI-compatible server for the engine openai",
        validation_alias=AliasChoices("url", "AVATAR_ASR_URL", "ASR_ENDPOINT"),
    )
    api_key: str = Field("", description="bearer token for that server; empty sends none")
    upstream_stream: bool = Field(False, description="ask that server to stream: partial texts, but no word times")
    upstream_timeout_s: float = Field(
        60.0,
        gt=0,
        description="longest silence of that server, seconds; "
        "not streaming, it may take this and the length of the recording",
    )
    stream_idle_s: float = Field(30.0, gt=0, description="longest silence of a streaming client, seconds")
