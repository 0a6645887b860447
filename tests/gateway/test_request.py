from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.request import OPEA_DEFAULT_MODEL, AvatarChatRequest, SayRequest

AUDIO = "UklGRg=="


def problem(**body: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        AvatarChatRequest(**body)
    return str(caught.value)


def test_opea_sample_bodies_are_taken() -> None:
    new = AvatarChatRequest(audio=AUDIO, max_tokens=64)
    old = AvatarChatRequest(byte_str=AUDIO, max_tokens=64)
    assert new.sound == old.sound == AUDIO


def test_both_names_of_the_sound_must_agree() -> None:
    assert AvatarChatRequest(audio=AUDIO, byte_str=AUDIO).sound == AUDIO
    assert "must not differ" in problem(audio=AUDIO, byte_str="AAAA")


@pytest.mark.parametrize(
    "body",
    [{}, {"text": "  "}, {"messages": []}, {"messages": ""}, {"messages": [{"role": "assistant", "content": "hello"}]}],
)
def test_a_question_is_needed(body: dict[str, Any]) -> None:
    assert "there is no question" in problem(**body)


def test_sound_and_text_are_not_both_taken() -> None:
    assert "send one of them" in problem(audio=AUDIO, text="hello")


def test_avatar_and_image_are_not_both_taken() -> None:
    assert "send one of them" in problem(text="hello", avatar="ada", image="AAAA")


def test_a_plain_string_of_messages_is_the_question() -> None:
    body = AvatarChatRequest(messages="who are you?")
    assert (body.question, body.history) == ("who are you?", [])


def test_the_last_message_is_the_question_and_the_rest_history() -> None:
    said = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": [{"type": "text", "text": "and"}, {"type": "text", "text": "now?"}]},
    ]
    body = AvatarChatRequest(messages=said)
    assert body.question == "and\nnow?"
    assert [(turn.role, turn.text) for turn in body.history] == [
        ("system", "be brief"),
        ("user", "hi"),
        ("assistant", "hello"),
    ]


def test_with_sound_or_text_all_messages_are_history() -> None:
    said = [{"role": "user", "content": "hi"}]
    assert len(AvatarChatRequest(audio=AUDIO, messages=said).history) == 1
    assert len(AvatarChatRequest(text="now?", messages=said).history) == 1


@pytest.mark.parametrize(
    "field",
    [
        {"n": 2},
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"temperature": float("nan")},
        {"top_p": 1.1},
        {"top_k": 0},
        {"presence_penalty": 3},
        {"frequency_penalty": -3},
        {"repetition_penalty": 0},
        {"max_tokens": 0},
        {"stop": ["x"] * 17},
        {"seed": -1},
        {"fps": 4},
        {"fps": 61},
        {"size": 63},
        {"size": 129},
        {"size": 1026},
        {"preset": "draft"},
        {"emotion": "x" * 41},
        {"enhancer_strength": 1.5},
        {"session_id": "short"},
        {"session_id": "white space in the id"},
        {"response_format": "xml"},
        {"engine": {"asr": "a", "video": "b"}},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
        {"language": "x" * 36},
        {"text": "x" * 20_001},
    ],
)
def test_a_field_out_of_range_is_refused_by_name(field: dict[str, Any]) -> None:
    assert next(iter(field)) in problem(**{"text": "hello", **field})


def test_unknown_keys_are_accepted() -> None:
    assert AvatarChatRequest(text="hello", chat_template="x", documents=[]).question == "hello"


def test_opeas_placeholder_models_mean_the_configured_one() -> None:
    for name in ("", "tgi", OPEA_DEFAULT_MODEL):
        assert AvatarChatRequest(text="hello", model=name).model == ""
    assert AvatarChatRequest(text="hello", model="qwen").model == "qwen"


def test_a_plain_engine_name_is_the_animations() -> None:
    assert AvatarChatRequest(text="hello", engine="portrait").engines.animation == "portrait"
    chosen = AvatarChatRequest(text="hello", engine={"tts": "espeak"}).engines
    assert (chosen.tts, chosen.animation) == ("espeak", "")


def test_auto_language_and_empty_voice_are_the_defaults() -> None:
    body = AvatarChatRequest(text="hello", language="Auto", voice="")
    assert (body.language, body.voice) == ("", "default")


def test_stop_is_a_string_or_a_list() -> None:
    assert AvatarChatRequest(text="hello", stop="a").stops == ("a",)
    assert AvatarChatRequest(text="hello", stop=["a", "", "b"]).stops == ("a", "b")
    assert AvatarChatRequest(text="hello").stops == ()


def test_say_needs_a_text() -> None:
    with pytest.raises(ValidationError):
        SayRequest(text="")
