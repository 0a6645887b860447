"""Settings of the TTS service (``AVATAR_TTS_*``)."""

from __future__ import annotations

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from comps.core.settings import ServiceSettings


class TtsSettings(ServiceSettings):
    """What the TTS service can be told."""

    model_config = SettingsConfigDict(env_prefix="AVATAR_TTS_")

    port: int = Field(7055, ge=0, le=65535, description="TCP port")
    engine: str = Field(
        "espeak",
        description="engine of requests that name none",
        validation_alias=AliasChoices("engine", "AVATAR_TTS_ENGINE", "TTS_COMPONENT_NAME"),
    )
    language: str = Field(
        "en", description="language of text whose letters do not tell it; the one language of a model that has one"
    )
    max_text_chars: int = Field(20_000, gt=0, description="longest text spoken, characters")
    max_whole_s: float = Field(
        1800.0, gt=0, description="longest speech given whole in one JSON, seconds; streams may be longer"
    )
    model: str = Field("", description="model name or path for the engines coqui, transformers and openai")
    speakers: str = Field(
        "",
        description="x-vectors that SpeechT5 speaks with: a file (.npy, .npz, .safetensors, .pt, .zip), a folder of "
        "them, or the hub dataset 'Matthijs/cmu-arctic-xvectors'; each is a voice",
    )
    vocoder: str = Field(
        "microsoft/speecht5_hifigan", description="SpeechT5's vocoder, for the engine transformers: hub name or folder"
    )
    device: str = Field("auto", description="auto, cpu, cuda or another torch device, for coqui and transformers")
    url: str = Field(
        "http://127.0.0.1:8880/v1",
        description="base URL of the OpenAI-compatible server for the engine openai",
        validation_alias=AliasChoices("url", "AVATAR_TTS_URL", "TTS_ENDPOINT"),
    )
    api_key: str = Field("", description="bearer token for that server; empty sends none")
    languages: str = Field(
        "mul",
        pattern=r"^\s*[A-Za-z]{2,8}(-[A-Za-z0-9]+)*(\s*,\s*[A-Za-z]{2,8}(-[A-Za-z0-9]+)*)*\s*$",
        description="languages of that server's model, with commas (en,de); requests for others are refused; "
        "mul: any, as the text tells it",
    )
    upstream_timeout_s: float = Field(30.0, gt=0, description="longest silence of that server, seconds")

    def language_tags(self) -> tuple[str, ...]:
        """`languages` one by one."""
        return tuple(tag.strip() for tag in self.languages.split(","))
