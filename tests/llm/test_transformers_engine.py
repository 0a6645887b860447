"""The engine `transformers` with a tiny model of random weights that the test builds."""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


async def test_a_reader_that_never_reads_does_not_hold_up_the_next(engine: Any) -> None:
    unread = engine.generate(HELLO, LlmOptions(max_tokens=600))
    await anext(unread)
    answer = await asyncio.wait_for(write(engine, max_tokens=10), 60)
    kept = [piece async for piece in unread]
    assert answer[-1].usage is not None
    assert kept[-1].usage is not None
    assert (kept[-1].finish, kept[-1].usage.completion_tokens) == ("length", 600)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reads=st.lists(st.integers(0, 6), min_size=2, max_size=4))
async def test_however_much_each_reads_everybody_gets_a_turn(engine: Any, reads: list[int]) -> None:
    """Each reads some pieces and then no more until the last of them has begun."""
    alone = "".join(piece.text for piece in await write(engine, max_tokens=24))
    begun: list[AsyncGenerator[TextPiece, None]] = []
    texts = []
    for count in reads:
        answer = engine.generate(HELLO, LlmOptions(max_tokens=24))
        begun.append(answer)
        texts.append("".join([(await asyncio.wait_for(anext(answer), 60)).text for _ in range(count)]))
    for number, answer in enumerate(begun):
        texts[number] += "".join([piece.text async for piece in answer])
    assert texts == [alone] * len(reads)


async def test_an_answer_is_kept_no_longer_than_the_model_writes(engine: Any) -> None:
    unread = engine.generate(HELLO, LlmOptions(max_tokens=50))
    await anext(unread)
    await write(engine, max_tokens=1)
    frame: Any = unread.ag_frame
    assert frame.f_locals["writing"]._queue.qsize() <= 51
    await unread.aclose()


async def test_a_seed_holds_whatever_else_draws_in_the_process(engine: Any) -> None:
    import torch

    wanted = {"max_tokens": 60, "temperature": 1.5, "seed": 3}
    alone = await write(engine, **wanted)
    before = torch.random.get_rng_state()
    disturbed = []
    async for piece in engine.generate(HELLO, LlmOptions(**wanted)):
        torch.rand(1)
        torch.manual_seed(0)
        disturbed.append(piece)
    assert disturbed == alone
    torch.random.set_rng_state(before)
    await write(engine, **wanted)
    assert torch.equal(torch.random.get_rng_state(), before)  # nor does the engine disturb others


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


def chosen(options: LlmOptions, scores: list[float], draws: int = 4000) -> list[float]:
    """How often each of the tokens is the best after the processors of `options`, and after greedy choice."""
    import torch

    from comps.llm.engines.transformers import sampling

    processors = sampling(options, torch.device("cpu"))
    counts = [0] * len(scores)
    for _ in range(draws):
        now = torch.tensor([scores])
        for processor in processors:
            now = processor(torch.zeros((1, 1), dtype=torch.long), now)
        counts[int(now.argmax())] += 1
    return [count / draws for count in counts]


@pytest.mark.parametrize("options", [LlmOptions(), LlmOptions(temperature=0.0, top_p=0.5), LlmOptions(seed=3)])
def test_no_wish_and_no_temperature_are_greedy(options: LlmOptions) -> None:
    assert chosen(options, [0.0, 1.0, 0.9], 3) == [0, 1, 0]


@pytest.mark.parametrize(
    ("wishes", "shares"),
    [
        ({"top_p": 1.0}, [0.5, 0.3, 0.2]),
        ({"temperature": 0.5}, [25 / 38, 9 / 38, 4 / 38]),
        ({"top_k": 2}, [0.625, 0.375, 0.0]),
        ({"top_p": 0.4}, [1.0, 0.0, 0.0]),
        ({"top_p": 0.0}, [1.0, 0.0, 0.0]),
    ],
)
def test_tokens_are_drawn_as_often_as_they_are_probable(wishes: dict[str, float], shares: list[float]) -> None:
    scores = [math.log(0.5), math.log(0.3), math.log(0.2)]
    assert chosen(LlmOptions(seed=1, **wishes), scores) == pytest.approx(shares, abs=0.03)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["", "/no/such/model"])
async def test_a_model_that_cannot_be_had(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from comps.llm.engines.transformers import TransformersEngine

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EngineUnavailableError):
        await TransformersEngine(LlmSettings(model=model)).load()


def cut_in_half(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return change


def changed_config(**fields: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | fields))

    return change


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ["TEST_MALICE"],)


def pickled_code(folder: Path) -> None:
    import torch

    (folder / "model.safetensors").unlink()
    torch.save({"lm_head.weight": Malicious()}, folder / "pytorch_model.bin")


DAMAGES = {
    "weights cut": cut_in_half("model.safetensors"),
    "tokenizer cut": cut_in_half("tokenizer.json"),
    "config cut": cut_in_half("config.json"),
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "another size": changed_config(hidden_size=64),
    "more layers than weights": changed_config(num_hidden_layers=3),
    "unknown kind": changed_config(model_type="oracle"),
    "code of its own": changed_config(model_type="oracle", auto_map={"AutoConfig": "oracle.Config"}),
    "no language model": changed_config(model_type="vits", architectures=["VitsModel"]),
    "pickled code": pickled_code,
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_model_is_unavailable(
    damage: str, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from comps.llm.engines.transformers import TransformersEngine

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TEST_MALICE", str(tmp_path / "malice"))
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    DAMAGES[damage](folder)
    with pytest.raises(EngineUnavailableError, match=f"the model '{folder}' cannot be loaded: "):
        await TransformersEngine(LlmSettings(model=str(folder), device="cpu")).load()
    assert not (tmp_path / "malice").exists()


async def test_prompt_and_answer_fit_the_models_context(tmp_path: Path, model_folder: Path) -> None:
    """GPT-2 has learned places: one token more than those is an index error."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from comps.llm.engines.transformers import TransformersEngine

    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    config = GPT2Config(
        vocab_size=213, n_positions=48, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=None
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    small = TransformersEngine(LlmSettings(model=str(folder), device="cpu", system_prompt=""))
    await small.load()
    long = (Message("user", "hello " * 100),)
    for wanted, counts in ((1000, (24, 24)), (10, (38, 10))):
        *_, last = [piece async for piece in small.generate(long, LlmOptions(max_tokens=wanted))]
        assert last.finish == "length"
        assert last.usage is not None
        assert (last.usage.prompt_tokens, last.usage.completion_tokens) == counts
    *_, last = [piece async for piece in small.generate(HELLO, LlmOptions(max_tokens=1000))]
    assert last.usage is not None
    assert last.usage.prompt_tokens + last.usage.completion_tokens == 48
