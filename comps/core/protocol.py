"""Request and response models under the names OPEA's code imports, compatible with the OpenAI API."""

from __future__ import annotations

import time
import uuid
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from comps.core.service_types import MegaServiceEndpoint, ServiceRoleType, ServiceType

__all__ = [
    "AudioChatCompletionRequest",
    "AudioSpeechRequest",
    "AudioTranscriptionResponse",
    "ChatCompletionRequest",
    "ChatCompletionResponse",
    "ChatCompletionResponseChoice",
    "ChatMessage",
    "ErrorResponse",
    "MegaServiceEndpoint",
    "ServiceRoleType",
    "ServiceType",
    "UsageInfo",
]


class ChatMessage(BaseModel):
    """One turn of a conversation."""

    role: str
    content: str | list[dict[str, Any]]


class AudioChatCompletionRequest(BaseModel):
    """OPEA's body of `POST /v1/avatarchatbot`: a recording, and how to answer it. Unknown keys are ignored."""

    audio: str = Field(description="base64 of a recording in any common container; byte_str is its older name")
    messages: str | list[dict[str, str]] | list[dict[str, str | list[dict[str, str | dict[str, str]]]]] | None = None
    model: str | None = "Intel/neural-chat-7b-v3-3"
    temperature: float | None = Field(0.01, ge=0)
    top_p: float | None = Field(0.95, ge=0, le=1)
    top_k: int | None = Field(10, gt=0)
    n: int | None = Field(1, gt=0)
    max_tokens: int | None = Field(1024, gt=0)
    stop: str | list[str] | None = None
    stream: bool | None = False
    presence_penalty: float | None = Field(0.0, ge=-2, le=2)
    frequency_penalty: float | None = Field(0.0, ge=-2, le=2)
    repetition_penalty: float | None = Field(1.03, gt=0)
    user: str | None = None
    voice: str | None = "default"

    @model_validator(mode="before")
    @classmethod
    def _older_name(cls, body: Any) -> Any:
        if isinstance(body, dict) and body.get("byte_str") is not None:
            if body.get("audio") not in (None, body["byte_str"]):
                raise ValueError("'audio' and 'byte_str' are two names of one field and must not differ")
            return {**body, "audio": body["byte_str"]}
        return body


class AudioSpeechRequest(BaseModel):
    """OpenAI's body of `POST /v1/audio/speech`."""

    input: str
    model: str | None = "microsoft/speecht5_tts"
    voice: str | None = "default"
    response_format: str | None = "mp3"
    speed: float | None = Field(1.0, ge=0.25, le=4.0)


class AudioTranscriptionResponse(BaseModel):
    """OpenAI's plain answer of `POST /v1/audio/transcriptions`."""

    text: str


class ChatCompletionRequest(BaseModel):
    """OpenAI's body of `POST /v1/chat/completions`, with the fields TGI and vLLM add. Unknown keys are ignored."""

    messages: str | list[ChatMessage]
    model: str | None = None
    max_tokens: int | None = Field(1024, gt=0)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, gt=0)
    n: int | None = Field(1, gt=0)
    stop: str | list[str] | None = None
    seed: int | None = None
    stream: bool | None = False
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0)
    language: str = "auto"
    user: str | None = None


class UsageInfo(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int = 0
    completion_tokens: int | None = 0
    total_tokens: int = 0


class ChatCompletionResponseChoice(BaseModel):
    """One answer."""

    index: int
    message: ChatMessage
    finish_reason: Literal["stop", "length"] | None = None
    metadata: dict[str, Any] | None = None


class ChatCompletionResponse(BaseModel):
    """OpenAI's answer of `POST /v1/chat/completions`."""

    id: str = Field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    object: str = "chat.completion"
    created: int = Field(default_factory=lambda: int(time.time()))
    model: str
    choices: list[ChatCompletionResponseChoice]
    usage: UsageInfo


class ErrorDetail(BaseModel):
    """What went wrong, for a program (`code`, `param`, `retryable`) and for a person (`message`)."""

    code: str
    message: str
    service: str
    node: str
    param: str | None = None
    retryable: bool = False
    request_id: str = ""


class ErrorResponse(BaseModel):
    """The body of every answer that is no success."""

    error: ErrorDetail
