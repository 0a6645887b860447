"""A causal language model of Hugging Face in this process, its words streamed as they are chosen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import anyio
import torch
from jinja2.exceptions import TemplateError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.generation.streamers import TextStreamer

from comps.core.errors import EngineUnavailableError
from comps.llm.engine import FinishReason, LlmCapabilities, LlmEngine, LlmOptions, Message, TextPiece, Usage
from comps.llm.prompt import with_system_prompt
from comps.llm.settings import LlmSettings

QUEUE_PIECES = 64
_WAIT_S = 0.2
_COLDEST = 1e-2
_NARROWEST = 1e-6


class TransformersEngine(LlmEngine):
    """One generation at a time; others wait their turn. A client that leaves stops it within one token."""

    def __init__(self, settings: object) -> None:
        self._settings = cast("LlmSettings", settings)
        self.model = self._settings.model
        self.capabilities = LlmCapabilities(sampling=True)
        self._loaded: _Loaded | None = None
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """Load tokenizer and weights; raises EngineUnavailableError when no model is named or it cannot be had."""
        if not self.model:
            raise EngineUnavailableError("engine 'transformers' needs AVATAR_LLM_MODEL: a model's name or its folder")
        self._loaded = await anyio.to_thread.run_sync(_load, self.model, self._settings.device)

    async def close(self) -> None:
        """Forget the weights."""
        self._loaded = None

    async def generate(self, messages: tuple[Message, ...], options: LlmOptions) -> AsyncGenerator[TextPiece, None]:
        """Yield text as it is written, then a last piece with the reason and the token counts."""
        if self._loaded is None:
            raise RuntimeError("load() comes before generate()")
        conversation = with_system_prompt(messages, self._settings.system_prompt, options)
        async with self._turn:
            inputs = await anyio.to_thread.run_sync(self._loaded.encode, conversation, self._settings.max_prompt_tokens)
            writing = _Writing(self._loaded, inputs, options)
            try:
                async for text in writing.texts():
                    yield TextPiece(text)
                yield writing.last()
            finally:
                await writing.stop()


@dataclass(frozen=True, slots=True)
class _Loaded:
    tokenizer: Any
    model: Any

    def encode(self, messages: tuple[Message, ...], limit: int) -> Any:
        """Token ids `[1, n]` of the conversation as the model's template writes it; the oldest turns go first."""
        kept = list(messages)
        while True:
            ids = self._ids(kept)
            oldest = next((i for i, m in enumerate(kept[:-1]) if m.role != "system"), None)
            if ids.shape[1] <= limit or oldest is None:
                return ids[:, -limit:].to(self.model.device)
            del kept[oldest]

    def _ids(self, messages: list[Message]) -> Any:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        if self.tokenizer.chat_template is None:
            return self.tokenizer(plain_prompt(messages), return_tensors="pt").input_ids
        try:
            written = self.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        except TemplateError:  # many templates refuse a system role
            written = self.tokenizer.apply_chat_template(
                _without_system(turns), add_generation_prompt=True, tokenize=False
            )
        return self.tokenizer(written, return_tensors="pt", add_special_tokens=False).input_ids


def plain_prompt(messages: list[Message]) -> str:
    """A conversation for models without a template of their own."""
    names = {"system": "", "user": "User: ", "assistant": "Assistant: "}
    lines = [f"{names[message.role]}{message.content.strip()}" for message in messages]
    return "\n".join([*lines, "Assistant:"])


def _without_system(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """The system text put at the head of the first turn of the user."""
    system = "\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    rest = [turn for turn in turns if turn["role"] != "system"]
    return [{**rest[0], "content": f"{system}\n\n{rest[0]['content']}"}, *rest[1:]] if system else rest


def _load(name: str, device: str) -> _Loaded:
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModelForCausalLM.from_pretrained(name, torch_dtype="auto").to(chosen).eval()
    except (OSError, ValueError, RuntimeError) as error:
        raise EngineUnavailableError(f"the model '{name}' cannot be loaded: {str(error)[:300]}") from error
    return _Loaded(tokenizer, model)


class _Writing:
    """One generation on a thread of its own; a bounded queue holds it back when nobody reads."""

    def __init__(self, loaded: _Loaded, inputs: Any, options: LlmOptions) -> None:
        self._loaded, self._inputs, self._options = loaded, inputs, options
        self._stopped = threading.Event()
        self._room = threading.Semaphore(QUEUE_PIECES)
        self._queue: asyncio.Queue[str | BaseException | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._tokens = 0
        self._ended_by_itself = False
        self._thread = threading.Thread(target=self._run, name="llm-transformers", daemon=True)
        self._thread.start()

    async def texts(self) -> AsyncGenerator[str, None]:
        """Text until the model has finished; raises what the model raised."""
        while (item := await self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            self._room.release()
            yield item

    def last(self) -> TextPiece:
        """The final piece."""
        finish: FinishReason = "stop" if self._ended_by_itself else "length"
        return TextPiece("", finish=finish, usage=Usage(int(self._inputs.shape[1]), self._tokens))

    async def stop(self) -> None:
        """End the generation at its next token and wait for its thread."""
        self._stopped.set()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._thread.join)

    def _run(self) -> None:
        try:
            self._write()
            self._put(None)
        except Exception as error:  # noqa: BLE001 - thread boundary: the reader raises it
            self._put(error)

    def _write(self) -> None:
        options = self._options
        if options.seed is not None:
            torch.manual_seed(options.seed)
        with torch.inference_mode():
            output = self._loaded.model.generate(
                self._inputs,
                attention_mask=torch.ones_like(self._inputs),
                max_new_tokens=options.max_tokens,
                streamer=_Streamer(self._loaded.tokenizer, self._put_text),
                logits_processor=LogitsProcessorList([_Penalties(int(self._inputs.shape[1]), options)]),
                stopping_criteria=StoppingCriteriaList([_WhenSet(self._stopped)]),
                pad_token_id=_pad(self._loaded),
                **sampling(options),
            )
        self._tokens = int(output.shape[1] - self._inputs.shape[1])
        self._ended_by_itself = self._tokens < options.max_tokens or _is_end(self._loaded, int(output[0, -1]))

    def _put_text(self, text: str) -> None:
        while text and not self._stopped.is_set():
            if self._room.acquire(timeout=_WAIT_S):
                self._put(text)
                return

    def _put(self, item: str | BaseException | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)


class _Streamer(TextStreamer):  # type: ignore[misc]
    """Hands over text at word ends, without the prompt and without special tokens."""

    def __init__(self, tokenizer: Any, put: Callable[[str], None]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._put = put

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Called with each new piece of text."""
        self._put(text)


class _WhenSet(StoppingCriteria):  # type: ignore[misc]
    """Stops when an event is set."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        """One flag per sequence."""
        return torch.full((input_ids.shape[0],), self._event.is_set(), dtype=torch.bool, device=input_ids.device)


class _Penalties(LogitsProcessor):  # type: ignore[misc]
    """OpenAI's presence and frequency penalties, over the tokens of the answer so far."""

    def __init__(self, prompt_tokens: int, options: LlmOptions) -> None:
        self._prompt_tokens = prompt_tokens
        self._presence = options.presence_penalty or 0.0
        self._frequency = options.frequency_penalty or 0.0

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores `[1, vocabulary]` after the penalties."""
        written = input_ids[0, self._prompt_tokens :]
        if not written.numel() or not (self._presence or self._frequency):
            return scores
        counts = torch.bincount(written, minlength=scores.shape[-1]).to(scores.dtype)
        return scores - self._presence * (counts > 0) - self._frequency * counts


def sampling(options: LlmOptions) -> dict[str, Any]:
    """Options as `generate` takes them; a temperature of 0 is greedy, and so is no wish at all."""
    wanted = (options.temperature, options.top_p, options.top_k)
    chosen: dict[str, Any] = {"do_sample": options.temperature != 0 and any(value is not None for value in wanted)}
    if chosen["do_sample"]:
        chosen["temperature"] = 1.0 if options.temperature is None else max(options.temperature, _COLDEST)
        chosen["top_p"] = 1.0 if options.top_p is None else max(options.top_p, _NARROWEST)
        chosen["top_k"] = options.top_k or 0
    if options.repetition_penalty is not None:
        chosen["repetition_penalty"] = options.repetition_penalty
    return chosen


def _pad(loaded: _Loaded) -> int | None:
    tokenizer = loaded.tokenizer
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return None if pad is None else int(pad)


def _is_end(loaded: _Loaded, token: int) -> bool:
    ends = loaded.model.generation_config.eos_token_id
    return token in (ends if isinstance(ends, list) else [ends])
