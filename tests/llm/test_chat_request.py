from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from comps.core.errors import TooLargeError, UnprocessableError
from comps.llm.engine import LlmOptions, Message
from comps.llm.prompt import with_system_prompt
from comps.llm.request import ChatRequest
from comps.llm.settings import LlmSettings

HELLO = [{"role": "user", "content": "hello"}]


def request(**fields: Any) -> ChatRequest:
    return ChatRequest.model_validate({"messages": HELLO} | fields)


def test_a_conversation_is_text_a_list_or_parts_of_text() -> None:
    settings = LlmSettings()
    assert request(messages="hi").conversation(settings) == (Message("user", "hi"),)
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert request(messages=[{"role": "user", "content": parts}]).conversation(settings) == (
        Message("user", "one\ntwo"),
    )
    query = ChatRequest.model_validate({"query": "hi"})
    assert query.conversation(settings) == (Message("user", "hi"),)


def test_developer_messages_are_system_messages() -> None:
    body = request(messages=[{"role": "developer", "content": "be brief"}, *HELLO])
    assert body.conversation(LlmSettings())[0] == Message("system", "be brief")


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": ""},
        {"messages": "  "},
        {"messages": None},
        {"messages": [{"role": "assistant", "content": "hi"}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "robot", "content": "hi"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        {"messages": [{"role": "user"}]},
        {"query": "both"},
        {"n": 2},
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"temperature": float("nan")},
        {"top_p": 1.5},
        {"top_k": 0},
        {"max_tokens": 0},
        {"max_tokens": "many"},
        {"presence_penalty": 3},
        {"repetition_penalty": 0},
        {"stop": ["x"] * 17},
        {"stop": "x" * 201},
        {"stop": ["x" * 201]},
        {"seed": -1},
        {"tools": [{"type": "function"}]},
        {"logprobs": True},
        {"response_format": {"type": "json_object"}},
        {"engine": "x" * 41},
        {"language": "x" * 36},
    ],
)
def test_what_cannot_be_honoured_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        request(**fields)


def test_unknown_keys_have_no_effect() -> None:
    assert request(index_name="x", documents=[], typical_p=0.95).conversation(LlmSettings())


def test_options_carry_every_sampling_field() -> None:
    given = {
        "temperature": 0.5, "top_p": 0.9, "top_k": 5, "presence_penalty": 0.1, "frequency_penalty": 0.2,
        "repetition_penalty": 1.1, "seed": 7, "user": "u", "max_tokens": 9,
    }  # fmt: skip
    options = request(**given, stop=["a", ""], language="zh-CN").options(LlmSettings())
    assert {name: getattr(options, name) for name in given} == given
    assert options.stop == ("a",)
    assert options.language == "zh-CN"


def test_tokens_have_three_names_and_a_cap() -> None:
    settings = LlmSettings(max_tokens=100)
    assert request(max_completion_tokens=7).options(settings).max_tokens == 7
    assert request(max_new_tokens=7).options(settings).max_tokens == 7
    assert request(max_tokens=5000).options(settings).max_tokens == 100
    assert request().options(settings).max_tokens == 100


@pytest.mark.parametrize("model", [None, "", "tgi", "Intel/neural-chat-7b-v3-3"])
def test_default_model_names_mean_the_configured_model(model: str | None) -> None:
    assert request(model=model).options(LlmSettings(forward_model=True)).model == ""


def test_a_model_is_forwarded_when_the_deployment_allows_it() -> None:
    assert request(model="llama3").options(LlmSettings(forward_model=True)).model == "llama3"
    assert request(model="llama3").options(LlmSettings()).model == ""


def test_auto_is_no_language() -> None:
    assert request(language="auto").options(LlmSettings()).language == ""
    assert request(language=None).options(LlmSettings()).language == ""


def test_only_the_latest_messages_are_kept_and_every_system_message() -> None:
    turns = [{"role": "system", "content": "s"}]
    turns += [{"role": role, "content": f"{role}{i}"} for i in range(10) for role in ("user", "assistant")]
    turns.append({"role": "user", "content": "last"})
    kept = request(messages=turns).conversation(LlmSettings(history_messages=3))
    assert [m.content for m in kept] == ["s", "user9", "assistant9", "last"]


def test_system_messages_do_not_count_as_history() -> None:
    turns = [{"role": "system", "content": "s"}] * 3 + HELLO
    assert len(request(messages=turns).conversation(LlmSettings(history_messages=3))) == 4


def test_too_much_is_too_large() -> None:
    with pytest.raises(TooLargeError):
        request(messages=HELLO * 4).conversation(LlmSettings(max_messages=3))
    with pytest.raises(TooLargeError):
        request(messages="x" * 11).conversation(LlmSettings(max_characters=10))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": 0.01, "top_p": 0.95, "top_k": 10, "repetition_penalty": 1.03},
        {"temperature": 0, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "repetition_penalty": 1},
        {"temperature": 1, "seed": 5},
    ],
)
def test_an_engine_that_does_not_sample_takes_neutral_values(fields: dict[str, Any]) -> None:
    request(**fields).require_no_sampling("knowledge")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.7), ("top_p", 0.5), ("top_k", 40), ("presence_penalty", 1), ("frequency_penalty", -1),
        ("repetition_penalty", 1.2),
    ],
)  # fmt: skip
def test_an_engine_that_does_not_sample_refuses_the_others(name: str, value: float) -> None:
    with pytest.raises(UnprocessableError, match=f"'knowledge'.*{name}") as caught:
        request(**{name: value}).require_no_sampling("knowledge")
    assert caught.value.param == name


def test_the_system_prompt_comes_first_and_once() -> None:
    user, own = Message("user", "hi"), Message("system", "own")
    assert with_system_prompt((user,), "ours", LlmOptions()) == (Message("system", "ours"), user)
    assert with_system_prompt((user, own), "ours", LlmOptions()) == (own, user)
    assert with_system_prompt((user,), "", LlmOptions()) == (user,)
    said = with_system_prompt((user,), "", LlmOptions(language="zh"))
    assert said[0].role == "system"
    assert "'zh'" in said[0].content
