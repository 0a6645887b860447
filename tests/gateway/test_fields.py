"""Every field of the request has its effect on the service it is meant for."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.gateway.conftest import Stack

SOUND = base64.b64encode(b"a recording").decode()


async def ask(stack: Stack, **body: Any) -> dict[str, Any]:
    reply = await stack.client.post("/v1/avatarchatbot", json={"response_format": "json", **body})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


@pytest.mark.parametrize("name", ["audio", "byte_str"])
async def test_the_sound_reaches_the_recogniser(stack: Stack, name: str) -> None:
    await ask(stack, **{name: f"data:audio/wav;base64,{SOUND}"})
    assert stack.notes.last("asr")["bytes"] == b"a recording"
    assert stack.notes.last("llm")["messages"] == [{"role": "user", "content": "what was heard"}]


async def test_the_text_reaches_the_model(stack: Stack) -> None:
    await ask(stack, text=" hello ")
    assert stack.notes.asr == []
    assert stack.notes.last("llm")["messages"] == [{"role": "user", "content": "hello"}]


async def test_messages_are_the_history(stack: Stack) -> None:
    said = [{"role": "system", "content": "be brief"}, {"role": "assistant", "content": "hello"}]
    await ask(stack, text="and now?", messages=said)
    assert stack.notes.last("llm")["messages"] == [*said, {"role": "user", "content": "and now?"}]
    await ask(stack, audio=SOUND, messages=said)
    assert stack.notes.last("llm")["messages"] == [*said, {"role": "user", "content": "what was heard"}]


async def test_messages_alone_hold_the_question(stack: Stack) -> None:
    said = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yes?"},
        {"role": "user", "content": "who?"},
    ]
    answer = await ask(stack, messages=said)
    assert stack.notes.last("llm")["messages"] == said
    assert answer["transcript"] == "who?"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "qwen"),
        ("max_tokens", 64),
        ("temperature", 0),
        ("temperature", 0.7),
        ("top_p", 0.5),
        ("top_k", 3),
        ("presence_penalty", 0.4),
        ("frequency_penalty", -0.4),
        ("repetition_penalty", 1.2),
        ("stop", ["END", "STOP"]),
        ("seed", 7),
        ("user", "somebody"),
    ],
)
async def test_a_sampling_field_reaches_the_model(stack: Stack, name: str, value: object) -> None:
    await ask(stack, text="hello", **{name: value})
    assert stack.notes.last("llm")[name] == value


async def test_what_was_not_asked_for_is_not_sent(stack: Stack) -> None:
    await ask(stack, text="hello")
    assert set(stack.notes.last("llm")) == {"messages", "stream", "max_tokens"}


async def test_a_single_stop_string_is_a_list_of_one(stack: Stack) -> None:
    await ask(stack, text="hello", stop="END")
    assert stack.notes.last("llm")["stop"] == ["END"]


async def test_the_deployment_caps_the_length(stack: Stack) -> None:
    await ask(stack, text="hello", max_tokens=32_000)
    assert stack.notes.last("llm")["max_tokens"] == 2048


async def test_voice_and_language(stack: Stack) -> None:
    await ask(stack, audio=SOUND, voice="en-us+f3", language="de")
    assert stack.notes.last("tts")["voice"] == "en-us+f3"
    assert stack.notes.last("tts")["language"] == "de"
    assert stack.notes.last("llm")["language"] == "de"
    assert stack.notes.last("asr")["language"] == "de"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("avatar", "noor"),
        ("fps", 30),
        ("size", 96),
        ("emotion", "joy"),
        ("prompt", "a calm speaker before a white wall"),
        ("backdrop", "studio:blue"),
        ("seed", 9),
        ("engine", "portrait"),
        ("enhancer", "gfpgan"),
        ("enhancer_strength", 0.5),
    ],
)
async def test_a_field_of_the_picture_reaches_the_animation(stack: Stack, name: str, value: object) -> None:
    answer = await ask(stack, text="hello", **{name: value})
    assert stack.notes.last("animation")[name] == value
    if name == "fps":
        assert answer["fps"] == 30
    if name == "size":
        assert answer["width"] == 96


async def test_a_preset_leaves_size_and_rate_to_the_animation(stack: Stack) -> None:
    answer = await ask(stack, text="hello", preset="quick")
    start = stack.notes.last("animation")
    assert (start["preset"], start["size"], start["fps"]) == ("quick", None, None)
    assert (answer["width"], answer["fps"]) == (96, 20)
    await ask(stack, text="hello", preset="quality", size=64, fps=30)
    start = stack.notes.last("animation")
    assert (start["preset"], start["size"], start["fps"]) == ("quality", 64, 30)


async def test_an_engine_for_each_stage(stack: Stack) -> None:
    await ask(stack, audio=SOUND, engine={"asr": "a", "llm": "b", "tts": "c", "animation": "d"})
    assert [stack.notes.last(stage)["engine"] for stage in ("asr", "llm", "tts", "animation")] == list("abcd")


async def test_a_picture_is_used_for_this_request_only(stack: Stack) -> None:
    await ask(stack, text="hello", image=base64.b64encode(b"a picture").decode())
    assert stack.notes.pictures == [b"a picture"]
    assert stack.notes.last("animation")["avatar"] == "picture-1"
    await ask(stack, text="hello")
    assert "avatar" not in stack.notes.last("animation")


async def test_a_session_goes_on(stack: Stack) -> None:
    session = "a-random-session-id"
    await ask(stack, text="one", session_id=session)
    await ask(stack, text="two", session_id=session)
    assert [turn["content"] for turn in stack.notes.last("llm")["messages"]] == ["one", "You said: one.", "two"]
    await ask(stack, text="three", session_id=session + "-other")
    assert len(stack.notes.last("llm")["messages"]) == 1


async def test_messages_win_over_the_session(stack: Stack) -> None:
    session = "a-random-session-id"
    await ask(stack, text="one", session_id=session)
    await ask(stack, text="two", session_id=session, messages=[{"role": "user", "content": "other"}])
    assert [turn["content"] for turn in stack.notes.last("llm")["messages"]] == ["other", "two"]


async def test_a_failed_turn_is_not_remembered(stack: Stack) -> None:
    session = "a-random-session-id"
    await stack.client.post("/v1/avatarchatbot", json={"text": "one", "session_id": session, "voice": "nobody"})
    await ask(stack, text="two", session_id=session)
    assert len(stack.notes.last("llm")["messages"]) == 1
