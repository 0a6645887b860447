"""Bodies between the four services of the chatbot, for either generation of OPEA's wire formats."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from comps.core.errors import UpstreamError
from comps.core.service_types import ServiceType

_SAMPLING = (
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
)


def align_chatbot_inputs(
    kind: ServiceType, inputs: Any, parameters: Mapping[str, Any], options: Mapping[str, Any]
) -> Any:
    """The body for a service of `kind`, made from what the service before it answered.

    `options` are the keyword arguments of `schedule`; ``voice`` goes to the voice. Services of other
    kinds get their input unchanged.

    Raises:
        UpstreamError: the answer holds no transcript, text or sound.
    """
    if kind is ServiceType.ANIMATION and isinstance(inputs, bytes):
        return {"byte_str": base64.b64encode(inputs).decode()}  # a speech server that answers with the sound itself
    if not isinstance(inputs, Mapping):
        return inputs
    if kind is ServiceType.LLM:
        return _chat_body(_first(inputs, "asr_result", "query", "text"), inputs, parameters)
    if kind is ServiceType.TTS:
        text = _answer_text(inputs)
        return {"text": text, "input": text, "voice": options.get("voice") or "default"}
    if kind is ServiceType.ANIMATION:
        return {"byte_str": _first(inputs, "tts_result", "byte_str", "audio")}
    return inputs


def _chat_body(question: str, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {name: parameters[name] for name in _SAMPLING if parameters.get(name) is not None}
    message = {"role": "user", "content": question}
    stream = bool(parameters.get("stream"))
    return {"model": inputs.get("model") or "tgi", "messages": [message], "stream": stream, **chosen}


def _answer_text(inputs: Mapping[str, Any]) -> str:
    choices = inputs.get("choices")
    if isinstance(choices, list) and choices:
        message = choices[0].get("message") or {}
        if isinstance(message.get("content"), str):
            return str(message["content"])
    return _first(inputs, "text", "query")


def _first(inputs: Mapping[str, Any], *names: str) -> str:
    for name in names:
        value = inputs.get(name)
        if isinstance(value, str):
            return value
    raise UpstreamError(f"an answer has none of: {', '.join(names)}")
