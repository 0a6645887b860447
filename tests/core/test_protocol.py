from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from comps.core.error_shape import error_body
from comps.core.errors import NoSpeechError
from comps.core.protocol import (
    AudioChatCompletionRequest,
    AudioSpeechRequest,
    AudioTranscriptionResponse,
    ChatCompletionRequest,
    ChatCompletionResponse,
    ChatCompletionResponseChoice,
    ChatMessage,
    ErrorResponse,
    UsageInfo,
)
from comps.core.service_types import MegaServiceEndpoint, ServiceRoleType, ServiceType


def test_the_avatar_chatbot_request_has_opeas_fields_and_defaults() -> None:
    assert AudioChatCompletionRequest(audio="QQ==").model_dump() == {
        "audio": "QQ==",
        "messages": None,
        "model": "Intel/neural-chat-7b-v3-3",
        "temperature": 0.01,
        "top_p": 0.95,
        "top_k": 10,
        "n": 1,
        "max_tokens": 1024,
        "stop": None,
        "stream": False,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repetition_penalty": 1.03,
        "user": None,
        "voice": "default",
    }


def test_both_generations_of_sample_files_are_understood() -> None:
    newer = AudioChatCompletionRequest.model_validate({"audio": "QQ==", "max_tokens": 64, "something_new": 1})
    older = AudioChatCompletionRequest.model_validate({"byte_str": "QQ==", "max_tokens": 64})
    assert newer == older


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"audio": 5},
        {"audio": "QQ==", "byte_str": "QUE="},
        {"audio": "QQ==", "temperature": -1},
        {"audio": "QQ==", "top_p": 1.1},
        {"audio": "QQ==", "top_k": 0},
        {"audio": "QQ==", "max_tokens": 0},
        "QQ==",
    ],
)
def test_wrong_requests_are_refused(body: Any) -> None:
    with pytest.raises(ValidationError):
        AudioChatCompletionRequest.model_validate(body)


@pytest.mark.parametrize(
    "messages",
    [
        "hello",
        [{"role": "user", "content": "hello"}],
        [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}],
    ],
)
def test_every_form_of_messages_is_accepted(messages: Any) -> None:
    assert AudioChatCompletionRequest(audio="QQ==", messages=messages).messages == messages
    if isinstance(messages, list):
        assert ChatCompletionRequest(messages=messages).messages[0].role == "user"  # type: ignore[union-attr]


def test_openai_models() -> None:
    assert AudioSpeechRequest(input="hi").response_format == "mp3"
    with pytest.raises(ValidationError, match="speed"):
        AudioSpeechRequest(input="hi", speed=9)
    assert AudioTranscriptionResponse(text="hi").model_dump() == {"text": "hi"}
    choice = ChatCompletionResponseChoice(index=0, message=ChatMessage(role="assistant", content="hi"))
    answer = ChatCompletionResponse(model="knowledge", choices=[choice], usage=UsageInfo())
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    assert answer.id != ChatCompletionResponse(model="m", choices=[choice], usage=UsageInfo()).id


def test_the_error_model_is_the_error_shape() -> None:
    body = error_body(NoSpeechError("silence", param="audio"), "asr", "id")
    assert ErrorResponse.model_validate(body).model_dump() == body


def test_values_of_the_enums_are_opeas() -> None:
    assert (ServiceRoleType.MICROSERVICE.value, ServiceRoleType.MEGASERVICE.value) == (0, 1)
    named = {"LLM": 4, "ASR": 5, "TTS": 6, "UNDEFINED": 10, "LVM": 12, "ANIMATION": 17}
    assert {name: ServiceType[name].value for name in named} == named
    assert len(ServiceType) == 29
    assert str(MegaServiceEndpoint.AVATAR_CHATBOT) == "/v1/avatarchatbot"
    assert str(MegaServiceEndpoint.ASR) == "/v1/audio/transcriptions"
    assert str(MegaServiceEndpoint.TTS) == "/v1/audio/speech"
    assert str(MegaServiceEndpoint.CHAT) == "/v1/chat/completions"
    assert str(MegaServiceEndpoint.LIST_SERVICE) == "/v1/list_service"
    assert str(MegaServiceEndpoint.LIST_PARAMETERS) == "/v1/list_parameters"
