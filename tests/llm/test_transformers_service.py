"""The engine `transformers` behind the real service: a tiny Llama and its own BPE tokenizer, over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from comps.core.app import readiness_of
from comps.core.serve import running
from comps.llm.knowledge.base import SHIPPED
from comps.llm.service import create_app
from comps.llm.settings import LlmSettings

pytestmark = pytest.mark.torch

CHAT = "/v1/chat/completions"
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
HELLO = [{"role": "user", "content": "How do I install it?"}]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level BPE tokenizer trained on the shipped knowledge base, and a random model for it."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<pad>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )  # fmt: skip
    tokenizer.train([str(path) for path in sorted(SHIPPED.rglob("*.md"))], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=8192, pad_token_id=0, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
async def client(model_folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    chosen = LlmSettings(engine="transformers", model=str(model_folder), device="cpu", port=0, max_concurrent=3)
    app = create_app(chosen)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as http:
        await readiness_of(app).settled()
        yield http


def chunks(body: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in body.splitlines() if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def streamed_text(body: str) -> str:
    return "".join(choice["delta"].get("content", "") for chunk in chunks(body) for choice in chunk["choices"])


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every token of any answer."""
    from comps.llm.engines import transformers

    made: list[int] = []
    asked = transformers._WhenSet.__call__

    def counted(self: Any, input_ids: Any, scores: Any, **rest: Any) -> Any:
        made.append(1)
        return asked(self, input_ids, scores, **rest)

    monkeypatch.setattr(transformers._WhenSet, "__call__", counted)
    return made


async def all_written() -> None:
    """Return when no generation runs any more."""
    for thread in threading.enumerate():
        if thread.name == "llm-transformers":
            await anyio.to_thread.run_sync(thread.join)


async def test_the_model_is_listed_and_healthy(client: httpx.AsyncClient, model_folder: Path) -> None:
    listed = (await client.get("/v1/models")).json()["data"]
    assert [(row["id"], row["owned_by"]) for row in listed] == [(str(model_folder), "transformers")]
    assert (await client.get("/readyz")).status_code == 200


async def test_an_answer_is_the_same_streamed_and_whole(client: httpx.AsyncClient) -> None:
    asked: dict[str, Any] = {"messages": HELLO, "max_tokens": 40}
    whole = (await client.post(CHAT, json=asked)).json()
    streamed = await client.post(CHAT, json=asked | {"stream": True, "stream_options": {"include_usage": True}})
    text = whole["choices"][0]["message"]["content"]
    assert text
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed_text(streamed.text) == text
    *_, ended, counted = chunks(streamed.text)
    assert ended["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"] == "length"
    assert counted["usage"] == whole["usage"]
    assert whole["usage"]["completion_tokens"] == 40


async def test_words_of_any_script_come_whole(client: httpx.AsyncClient) -> None:
    """Random byte-level tokens end inside characters; no piece may hold half of one that the whole text has."""
    sampled = {"messages": HELLO, "max_tokens": 200, "temperature": 2.0, "seed": 7}
    whole = (await client.post(CHAT, json=sampled)).json()["choices"][0]["message"]["content"]
    assert streamed_text((await client.post(CHAT, json=sampled | {"stream": True})).text) == whole


async def test_a_stop_string_ends_the_answer_and_the_work(client: httpx.AsyncClient, steps: list[int]) -> None:
    asked: dict[str, Any] = {"messages": HELLO, "max_tokens": 60}
    text: str = (await client.post(CHAT, json=asked)).json()["choices"][0]["message"]["content"]
    stop = text[len(text) // 2 :][:4]
    steps.clear()
    long = asked | {"max_tokens": 4000, "stop": stop}
    cut = (await client.post(CHAT, json=long)).json()["choices"][0]
    await all_written()
    assert cut["message"]["content"] == text[: text.index(stop)]
    assert cut["finish_reason"] == "stop"
    assert len(steps) < 4000


async def test_concurrent_seeds_do_not_mix(client: httpx.AsyncClient) -> None:
    def asked(seed: int) -> dict[str, Any]:
        return {"messages": HELLO, "max_tokens": 30, "temperature": 1.0, "seed": seed}

    alone = [(await client.post(CHAT, json=asked(seed))).json()["choices"] for seed in (1, 2, 3)]
    together = await asyncio.gather(*(client.post(CHAT, json=asked(seed)) for seed in (1, 2, 3)))
    assert [response.json()["choices"] for response in together] == alone
    assert alone[0] != alone[1]


async def test_a_client_that_leaves_a_stream_stops_the_model(client: httpx.AsyncClient, steps: list[int]) -> None:
    long = {"messages": HELLO, "max_tokens": 4000, "stream": True}
    async with client.stream("POST", CHAT, json=long) as response:
        async for line in response.aiter_lines():
            if '"content":"' in line and '"content":""' not in line:
                break
    answer = await client.post(CHAT, json={"messages": HELLO, "max_tokens": 5})
    await all_written()
    assert answer.json()["usage"]["completion_tokens"] == 5
    assert len(steps) < 4000


async def test_a_client_that_leaves_before_the_answer_stops_the_model(
    client: httpx.AsyncClient, steps: list[int]
) -> None:
    asked = asyncio.create_task(client.post(CHAT, json={"messages": HELLO, "max_tokens": 4096}))
    with anyio.fail_after(30):
        while not steps:  # noqa: ASYNC110 - the thread of the model has no event to wait for
            await asyncio.sleep(0.01)
    asked.cancel()
    answer = await client.post(CHAT, json={"messages": HELLO, "max_tokens": 5})
    await all_written()
    assert answer.json()["usage"]["completion_tokens"] == 5
    assert len(steps) < 4096


async def test_a_stream_nobody_reads_does_not_hold_up_the_next(client: httpx.AsyncClient) -> None:
    async with client.stream("POST", CHAT, json={"messages": HELLO, "max_tokens": 900, "stream": True}) as unread:
        answer = await client.post(CHAT, json={"messages": HELLO, "max_tokens": 5})
        assert answer.status_code == 200
        body = (await unread.aread()).decode()
    assert chunks(body)[-1]["choices"][0]["finish_reason"] == "length"


async def test_more_than_may_wait_are_told_to_come_back(client: httpx.AsyncClient) -> None:
    asked = {"messages": HELLO, "max_tokens": 400}
    answers = await asyncio.gather(*(client.post(CHAT, json=asked) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 429, 429]
    (one, _) = (answer for answer in answers if answer.status_code == 429)
    assert one.json()["error"]["retryable"]
    assert int(one.headers["Retry-After"]) >= 1


async def test_a_model_that_is_not_there_leaves_the_service_up_with_its_reason(tmp_path: Path) -> None:
    app = create_app(LlmSettings(engine="transformers", model=str(tmp_path / "none"), port=0))
    async with running(app) as url, httpx.AsyncClient(base_url=url) as http:
        await readiness_of(app).settled()
        answer = await http.post(CHAT, json={"messages": HELLO})
        assert answer.status_code == 503
        assert "cannot be loaded" in answer.json()["error"]["message"]
        assert (await http.get("/livez")).status_code == 200
