"""The engine `transformers` with a tiny model of random weights that the test builds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from comps.core.errors import EngineUnavailableError
from comps.llm.engine import LlmOptions, Message, TextPiece
from comps.llm.settings import LlmSettings

pytestmark = pytest.mark.torch

WORDS = ["<pad>", "</s>", "<unk>", "User", "Assistant", ":", "hello", "world", "speak", "answer", "how", "are", "you"]
HELLO = (Message("user", "hello world"),)
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "{{ m.role }} : {{ m.content }} {% endfor %}Assistant :"
)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    vocabulary = WORDS + [f"word{i}" for i in range(200)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=4096, pad_token_id=0, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
async def engine(model_folder: Path) -> AsyncIterator[Any]:
    from comps.llm.engines.transformers import TransformersEngine

    made = TransformersEngine(LlmSettings(model=str(model_folder), device="cpu", system_prompt=""))
    await made.load()
    yield made
    await made.close()


async def write(engine: Any, **options: Any) -> list[TextPiece]:
    return [piece async for piece in engine.generate(HELLO, LlmOptions(**options))]


async def test_words_come_one_by_one_and_are_counted(engine: Any) -> None:
    pieces = await write(engine, max_tokens=12)
    assert len([piece for piece in pieces if piece.text]) > 4
    last = pieces[-1]
    assert last.usage is not None
    assert last.usage.completion_tokens <= 12
    assert last.finish == ("length" if last.usage.completion_tokens == 12 else "stop")
    assert last.usage.prompt_tokens > 0
    assert all(piece.finish is None for piece in pieces[:-1])


async def test_greedy_repeats_itself_and_a_seed_repeats_a_sample(engine: Any) -> None:
    assert await write(engine, max_tokens=8) == await write(engine, max_tokens=8, temperature=0.0)
    sampled = await write(engine, max_tokens=8, temperature=1.5, seed=3)
    assert sampled == await write(engine, max_tokens=8, temperature=1.5, seed=3)
    assert sampled != await write(engine, max_tokens=8, temperature=1.5, seed=4)


async def test_penalties_change_what_is_written(engine: Any) -> None:
    plain = "".join(piece.text for piece in await write(engine, max_tokens=40)).split()
    varied = "".join(p.text for p in await write(engine, max_tokens=40, presence_penalty=2.0, frequency_penalty=2.0))
    assert len(set(varied.split())) > len(set(plain))
    assert await write(engine, max_tokens=20, repetition_penalty=1.9) != await write(engine, max_tokens=20)


async def test_leaving_stops_the_model_within_a_token(engine: Any) -> None:
    pieces = engine.generate(HELLO, LlmOptions(max_tokens=4000))
    await anext(pieces)
    await asyncio.wait_for(pieces.aclose(), 10)
    assert not [thread for thread in threading.enumerate() if thread.name == "llm-transformers"]


async def test_a_reader_who_is_slow_holds_the_model_back(engine: Any) -> None:
    from comps.llm.engines import transformers

    pieces = engine.generate(HELLO, LlmOptions(max_tokens=1000))
    await anext(pieces)
    await asyncio.sleep(1.0)
    frame: Any = pieces.ag_frame
    assert frame.f_locals["writing"]._queue.qsize() <= transformers.QUEUE_PIECES
    await pieces.aclose()


async def test_cancelling_stops_it_too(engine: Any) -> None:
    task = asyncio.create_task(write(engine, max_tokens=4000))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [thread for thread in threading.enumerate() if thread.name == "llm-transformers"]


async def test_one_answer_at_a_time(engine: Any) -> None:
    one, two = await asyncio.gather(write(engine, max_tokens=10), write(engine, max_tokens=10))
    assert one == two


async def test_a_template_that_refuses_system_messages_gets_them_in_the_first_turn(engine: Any) -> None:
    engine._loaded.tokenizer.chat_template = TEMPLATE
    spoken = (Message("system", "speak"), *HELLO)
    ids = engine._loaded.encode(spoken, 100)
    assert engine._loaded.tokenizer.decode(ids[0]).split()[2:5] == ["speak", "hello", "world"]
    assert [piece async for piece in engine.generate(spoken, LlmOptions(max_tokens=3))]


async def test_long_conversations_lose_their_oldest_turns(engine: Any) -> None:
    turns = [Message("user" if i % 2 == 0 else "assistant", "hello " * 20) for i in range(21)]
    ids = engine._loaded.encode(tuple(turns), 100)
    assert ids.shape[1] <= 100
    assert engine._loaded.encode((Message("user", "hello " * 500),), 64).shape[1] == 64


def test_sampling_options() -> None:
    from comps.llm.engines.transformers import sampling

    assert sampling(LlmOptions()) == {"do_sample": False}
    assert sampling(LlmOptions(temperature=0.0, top_p=0.5)) == {"do_sample": False}
    assert sampling(LlmOptions(top_p=0.5)) == {"do_sample": True, "temperature": 1.0, "top_p": 0.5, "top_k": 0}
    assert sampling(LlmOptions(temperature=0.7, top_k=9, repetition_penalty=1.1)) == {
        "do_sample": True, "temperature": 0.7, "top_p": 1.0, "top_k": 9, "repetition_penalty": 1.1,
    }  # fmt: skip


@pytest.mark.parametrize("model", ["", "/no/such/model"])
async def test_a_model_that_cannot_be_had(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from comps.llm.engines.transformers import TransformersEngine

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EngineUnavailableError):
        await TransformersEngine(LlmSettings(model=model)).load()
