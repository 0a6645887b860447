from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from comps.core.serve import running
from comps.llm.service import create_app
from comps.llm.settings import LlmSettings

from .conftest import serving

pytestmark = pytest.mark.asyncio(loop_scope="session")
PORTS = {"messages": [{"role": "user", "content": "what ports do you use"}]}
PATH = "/v1/chat/completions"


def events(body: bytes) -> list[Any]:
    """The data of each server-sent event; the end mark stays text."""
    datas = [line[6:] for line in body.decode().split("\n\n") if line]
    return [data if data == "[DONE]" else orjson.loads(data) for data in datas]


async def ask(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post(PATH, json=PORTS | fields)


async def test_a_whole_answer(client: httpx.AsyncClient) -> None:
    body = (await ask(client)).json()
    assert body["object"] == "chat.completion"
    assert body["id"].startswith("chatcmpl-")
    assert body["model"] == "knowledge"
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"] == " ".join(sentence["text"] for sentence in body["sentences"])
    assert body["sentences"][0] | {"text": ""} == {"index": 0, "language": "en", "emotion": "", "text": ""}
    usage = body["usage"]
    assert usage["prompt_tokens"] == 5
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_a_streamed_answer_is_the_same_sentence_by_sentence(client: httpx.AsyncClient) -> None:
    whole = (await ask(client)).json()
    response = await ask(client, stream=True, stream_options={"include_usage": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    first, *middle, last, usage, done = events(response.content)
    assert done == "[DONE]"
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert {event["id"] for event in (first, *middle, last, usage)} == {first["id"]}
    assert [event["sentence"]["index"] for event in middle] == [0, 1]
    assert [event["choices"][0]["delta"]["content"].strip() for event in middle] == [
        s["text"] for s in whole["sentences"]
    ]
    assert "".join(e["choices"][0]["delta"]["content"] for e in middle) == whole["choices"][0]["message"]["content"]
    assert last["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop", "logprobs": None}
    assert usage["choices"] == []
    assert usage["usage"] == whole["usage"]


async def test_usage_is_left_out_unless_asked_for(client: httpx.AsyncClient) -> None:
    body = events((await ask(client, stream=True)).content)
    assert all("usage" not in event for event in body[:-1])


async def test_opea_s_query_gets_a_text_document(client: httpx.AsyncClient) -> None:
    opea = {
        "query": "what ports do you use", "max_tokens": 1024, "max_new_tokens": 1024, "top_k": 10, "top_p": 0.95,
        "typical_p": 0.95, "temperature": 0.01, "frequency_penalty": 0.0, "presence_penalty": 0.0,
        "repetition_penalty": 1.03, "stream": False, "language": "auto", "chat_template": None, "documents": [],
    }  # fmt: skip
    body = (await client.post(PATH, json=opea)).json()
    assert set(body) == {"id", "text", "prompt"}
    assert "three thousand nine" in body["text"]
    assert body["prompt"] == "what ports do you use"


async def test_what_opea_s_gateway_sends(client: httpx.AsyncClient) -> None:
    body = {"model": "tgi", "messages": PORTS["messages"], "max_tokens": 64, "top_p": 0.95, "stream": False}
    response = await client.post(PATH, json=body | {"frequency_penalty": 0.0, "temperature": 0.01})
    assert response.json()["choices"][0]["message"]["content"]


async def test_max_tokens_cut_at_a_sentence_where_possible(client: httpx.AsyncClient) -> None:
    whole = (await ask(client)).json()["sentences"]
    cut = (await ask(client, max_tokens=14)).json()
    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["choices"][0]["message"]["content"] == whole[0]["text"]
    tiny = (await ask(client, max_tokens=3)).json()
    assert tiny["choices"][0]["message"]["content"] == "The gateway and"
    assert tiny["usage"]["completion_tokens"] == 3


async def test_stop_strings_end_the_answer(client: httpx.AsyncClient) -> None:
    body = (await ask(client, stop=[" the page"])).json()
    assert body["choices"][0]["message"]["content"] == "The gateway and"
    assert body["choices"][0]["finish_reason"] == "stop"


async def test_language_and_history(client: httpx.AsyncClient) -> None:
    assert (await ask(client, language="zh-CN")).json()["sentences"][0]["language"] == "zh"
    first = (await ask(client)).json()["choices"][0]["message"]
    again = [*PORTS["messages"], first, {"role": "user", "content": "repeat that"}]
    assert (await ask(client, messages=again)).json()["choices"][0]["message"]["content"] == first["content"]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "bad_request"),
        (b"{", 400, "bad_request"),
        (b"hello", 400, "bad_request"),
        (b"[]", 422, "unprocessable"),
        (b"{}", 422, "unprocessable"),
        (b'{"messages": 5}', 422, "unprocessable"),
        (b'{"messages": "hi", "n": 3}', 422, "unprocessable"),
        (b'{"messages": "hi", "engine": "nobody"}', 422, "unknown_choice"),
        (b'{"messages": "hi", "language": "tlh"}', 422, "unknown_choice"),
        (b'{"messages": "hi", "temperature": 0.7}', 422, "unprocessable"),
        (b'{"messages": "' + b"x" * 200_001 + b'"}', 413, "too_large"),
        (b'{"messages": "' + b"x" * 5_000_000 + b'"}', 413, "too_large"),
    ],
)
async def test_bad_requests(client: httpx.AsyncClient, content: bytes, status: int, code: str) -> None:
    response = await client.post(PATH, content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == code
    assert error["service"] == "llm"
    assert set(error) == {"code", "message", "service", "node", "param", "retryable", "request_id"}


async def test_unknown_engines_and_languages_are_listed(client: httpx.AsyncClient) -> None:
    error = (await ask(client, engine="nobody")).json()["error"]
    assert "knowledge, transformers, openai" in error["message"]
    assert error["param"] == "engine"
    error = (await ask(client, language="tlh")).json()["error"]
    assert "en, zh" in error["message"]
    assert error["param"] == "language"


async def test_an_error_of_a_stream_that_has_not_begun_has_its_own_status(client: httpx.AsyncClient) -> None:
    assert (await ask(client, stream=True, language="tlh")).status_code == 422


async def test_models_and_health(client: httpx.AsyncClient) -> None:
    (model,) = (await client.get("/v1/models")).json()["data"]
    assert (model["id"], model["object"]) == ("knowledge", "model")
    assert (await client.get("/v1/health_check")).json()["nodes"] == {"knowledge": "ok"}
    assert (await client.get("/readyz")).status_code == 200


async def test_the_models_of_an_engine_that_no_request_has_named_yet() -> None:
    async with serving(LlmSettings(model="llama3")) as http:
        listed = (await http.get("/v1/models", params={"engine": "openai"})).json()["data"]
        assert [(row["id"], row["owned_by"]) for row in listed] == [("llama3", "openai")]
        assert (await http.get("/v1/models", params={"engine": "nobody"})).status_code == 422


async def test_a_service_whose_engine_cannot_load_says_why(tmp_path: Path) -> None:
    async with serving(LlmSettings(knowledge_dir=tmp_path / "none")) as http:
        assert (await http.get("/livez")).status_code == 200
        ready = await http.get("/readyz")
        assert ready.status_code == 503
        assert "AVATAR_KNOWLEDGE_DIR" in ready.text
        assert (await http.post(PATH, json=PORTS)).status_code == 503


async def test_an_own_folder_answers(tmp_path: Path) -> None:
    (tmp_path / "zoo.md").write_text("# Opening hours\nThe zoo opens at nine.\n")
    async with serving(LlmSettings(knowledge_dir=tmp_path)) as http:
        body = (await http.post(PATH, json={"messages": "what are the opening hours"})).json()
    assert body["choices"][0]["message"]["content"] == "The zoo opens at nine."


async def test_many_at_once_each_get_their_own_answer() -> None:
    questions = {"what ports do you use": "three thousand nine", "how do i start it": "make up", "is it free": "free"}
    app = create_app(LlmSettings(max_concurrent=64))
    async with running(app) as url, httpx.AsyncClient(base_url=url) as http:
        await app.state.readiness.settled()
        asked = [question for question in questions for _ in range(8)]
        answers = await asyncio.gather(*(http.post(PATH, json={"messages": question}) for question in asked))
    for question, answer in zip(asked, answers, strict=True):
        assert questions[question] in answer.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content.0.type"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "messages.0.role"),
        ({"messages": "hi", "stop": "x" * 201}, "stop"),
        ({"query": 5}, "query"),
    ],
)
async def test_the_field_at_fault_is_named(client: httpx.AsyncClient, body: dict[str, Any], param: str) -> None:
    response = await client.post("/v1/chat/completions", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (422, param)


async def test_an_answer_cut_by_a_stop_string_is_counted_too(client: httpx.AsyncClient) -> None:
    whole = (await ask(client)).json()
    first = whole["sentences"][0]["text"].split()[1]
    body = (await ask(client, stop=[first])).json()
    assert len(body["choices"][0]["message"]["content"]) < len(whole["choices"][0]["message"]["content"])
    assert body["usage"]["prompt_tokens"] == whole["usage"]["prompt_tokens"]
    assert 0 < body["usage"]["completion_tokens"] < whole["usage"]["completion_tokens"]
