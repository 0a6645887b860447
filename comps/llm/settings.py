"""Settings of the LLM service."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from comps.core.settings import ServiceSettings

SPEAK_SHORTLY = (
    "You are a friendly assistant whose answers are spoken aloud by a talking face. "
    "Answer in one to three short sentences, in the language of the question, "
    "as plain text without lists, headings, Markdown, emoji or web addresses."
)


class LlmSettings(ServiceSettings):
    """Read from ``AVATAR_LLM_*``."""

    model_config = SettingsConfigDict(env_prefix="AVATAR_LLM_")

    port: int = Field(3006, ge=0, le=65535, description="TCP port; 0 lets the system choose")
    max_body_bytes: int = Field(4 * 1024 * 1024, gt=0, description="largest request body, bytes")
    engine: str = Field("knowledge", description="engine for requests that name none")
    max_messages: int = Field(200, gt=0, description="most messages of one request")
    max_characters: int = Field(200_000, gt=0, description="most characters of all messages of one request")
    history_messages: int = Field(32, ge=1, description="latest messages the engine sees, system messages apart")
    max_tokens: int = Field(4096, gt=0, description="most tokens of one answer; larger wishes are cut to it")
    system_prompt: str = Field(
        SPEAK_SHORTLY, description="put before conversations that have no system message; not for the knowledge engine"
    )

    knowledge_dir: Path | None = Field(
        None,
        description="folder of Markdown to answer from; empty: the shipped one",
        validation_alias=AliasChoices("knowledge_dir", "AVATAR_LLM_KNOWLEDGE_DIR", "AVATAR_KNOWLEDGE_DIR"),
    )
    knowledge_sentences: int = Field(3, ge=1, le=20, description="most sentences the knowledge engine says in one turn")

    openai_base_url: str = Field(
        "http://127.0.0.1:11434/v1",
        description="OpenAI-compatible server of the engine 'openai', path included; the default is Ollama's",
        validation_alias=AliasChoices("AVATAR_LLM_OPENAI_BASE_URL", "LLM_ENDPOINT"),
    )
    openai_api_key: SecretStr | None = Field(None, description="key sent to that server; without it no header is sent")
    openai_extra_sampling: bool = Field(
        True, description="send top_k and repetition_penalty, which vLLM and TGI know; false refuses them with 422"
    )
    openai_timeout_s: float = Field(60.0, gt=0, description="longest silence of that server, seconds")
    forward_model: bool = Field(False, description="let clients choose the model; otherwise the configured one answers")
    model: str = Field(
        "",
        description="model of the engines 'openai' (empty: the first that its server lists) and 'transformers' (name or folder)",
        validation_alias=AliasChoices("AVATAR_LLM_MODEL", "LLM_MODEL_ID"),
    )
    device: str = Field("", description="device of the engine 'transformers': cpu, cuda...; empty: the best there is")
    max_prompt_tokens: int = Field(
        8192, gt=0, description="longest prompt of the engine 'transformers'; oldest goes first"
    )
