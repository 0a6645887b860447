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
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.generation.streamers import TextStreamer

from comps.core.errors import EngineUnavailableError
from comps.llm.engine import FinishReason, LlmCapabilities, LlmEngine, LlmOptions, Message, TextPiece, Usage
from comps.llm.prompt import with_system_prompt
from comps.llm.settings import LlmSettings

_COLDEST = 1e-2
_NARROWEST = 1e-6


class TransformersEngine(LlmEngine):
    """One generation at a time; others wait their turn, as many as the service admits requests.

    The model never waits for a reader: an answer is kept, at most `max_tokens` tokens of it, until it is read.
    A client that leaves stops the model within one token.
    """

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
        job = _Job(self._loaded, conversation, self._settings.max_prompt_tokens, options)
        await self._turn.acquire()
        try:
            writing = _Writing(job, self._turn.release)
        except BaseException:
            self._turn.release()  # no thread, so nobody else would
            raise
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

    @property
    def context(self) -> int | None:
        """Most tokens of prompt and answer together, when the model has such a limit."""
        places = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return int(places) if places else None

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
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        model, report = AutoModelForCausalLM.from_pretrained(
            name, torch_dtype="auto", trust_remote_code=False, output_loading_info=True
        )
        if missing := sorted(report["missing_keys"]):  # these would be random numbers
            raise ValueError(f"its weights lack {missing[0]} and {len(missing) - 1} more")
        return _Loaded(tokenizer, model.to(chosen).eval())
    except Exception as error:  # a damaged file raises whatever its reader does
        raise EngineUnavailableError(f"the model '{name}' cannot be loaded: {str(error)[:300]}") from error


@dataclass(frozen=True, slots=True)
class _Job:
    """What one generation needs; its parts are made on the generation's thread."""

    loaded: _Loaded
    messages: tuple[Message, ...]
    max_prompt_tokens: int
    options: LlmOptions

    def prompt(self) -> Any:
        """Token ids `[1, n]`; of the model's context at least half is left for the answer, if it wants that much."""
        limit = self.max_prompt_tokens
        if context := self.loaded.context:
            limit = min(limit, context - min(self.options.max_tokens, context // 2))
        return self.loaded.encode(self.messages, limit)

    def max_new_tokens(self, prompt: Any) -> int:
        """Most tokens of the answer to a prompt `[1, n]`."""
        wanted, context = self.options.max_tokens, self.loaded.context
        return wanted if context is None else min(wanted, context - int(prompt.shape[1]))


class _Writing:
    """One generation on a thread of its own. `release` is called in the event loop as soon as the model is free."""

    def __init__(self, job: _Job, release: Callable[[], None]) -> None:
        self._job, self._release = job, release
        self._stopped = threading.Event()
        self._queue: asyncio.Queue[str | BaseException | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._usage = Usage(0, 0)
        self._finish: FinishReason = "length"
        self._thread = threading.Thread(target=self._run, name="llm-transformers", daemon=True)
        self._thread.start()

    async def texts(self) -> AsyncGenerator[str, None]:
        """Text until the model has finished; raises what the model raised."""
        while (item := await self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def last(self) -> TextPiece:
        """The final piece."""
        return TextPiece("", finish=self._finish, usage=self._usage)

    async def stop(self) -> None:
        """End the generation at its next token and wait for its thread."""
        self._stopped.set()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._thread.join)

    def _run(self) -> None:
        try:
            self._write()
            self._post(self._queue.put_nowait, None)
        except Exception as error:  # noqa: BLE001 - thread boundary: the reader raises it
            self._post(self._queue.put_nowait, error)
        finally:
            self._post(self._release)

    def _write(self) -> None:
        loaded, options = self._job.loaded, self._job.options
        prompt = self._job.prompt()
        prompt_tokens, max_new = int(prompt.shape[1]), self._job.max_new_tokens(prompt)
        with torch.inference_mode():
            output = loaded.model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=max_new,
                streamer=_Streamer(loaded.tokenizer, self._put_text),
                logits_processor=LogitsProcessorList(
                    [_Penalties(prompt_tokens, options), *sampling(options, prompt.device)]
                ),
                stopping_criteria=StoppingCriteriaList([_WhenSet(self._stopped)]),
                pad_token_id=_pad(loaded),
                do_sample=False,  # the last of the logits processors draws
                num_beams=1,
                **_own_penalty(options),
            )
        written = int(output.shape[1]) - prompt_tokens
        self._usage = Usage(prompt_tokens, written)
        self._finish = "stop" if written < max_new or _is_end(loaded, int(output[0, -1])) else "length"

    def _put_text(self, text: str) -> None:
        if text and not self._stopped.is_set():
            self._post(self._queue.put_nowait, text)

    def _post(self, call: Callable[..., None], *items: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
            self._loop.call_soon_threadsafe(call, *items)


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


class _Draw(LogitsProcessor):  # type: ignore[misc]
    """Makes one token, drawn with the scores' probabilities by a generator of this request alone, the best.

    The Gumbel-max trick: the best of log p + Gumbel noise is distributed as p (Gumbel 1954; Maddison et al. 2014).
    `generate` itself would draw from torch's global generator, which all threads share.
    """

    def __init__(self, seed: int | None, device: Any) -> None:
        self._generator = torch.Generator(device)
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores `[1, vocabulary]` with noise; what was at minus infinity stays there."""
        waiting = torch.empty_like(scores, dtype=torch.float32).exponential_(generator=self._generator)
        return scores.float() - waiting.log()


def sampling(options: LlmOptions, device: Any) -> list[Any]:
    """Processors that narrow the choice and draw; none when greedy: a temperature of 0, or no wish at all."""
    wanted = (options.temperature, options.top_p, options.top_k)
    if options.temperature == 0 or all(value is None for value in wanted):
        return []
    chosen: list[Any] = [TemperatureLogitsWarper(max(float(options.temperature or 1.0), _COLDEST))]
    if options.top_k:
        chosen.append(TopKLogitsWarper(options.top_k))
    if options.top_p is not None and options.top_p < 1:
        chosen.append(TopPLogitsWarper(max(options.top_p, _NARROWEST)))
    return [*chosen, _Draw(options.seed, device)]


def _own_penalty(options: LlmOptions) -> dict[str, float]:
    """`generate` knows this one; without it the model's own default holds."""
    return {} if options.repetition_penalty is None else {"repetition_penalty": options.repetition_penalty}


def _pad(loaded: _Loaded) -> int | None:
    tokenizer = loaded.tokenizer
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return None if pad is None else int(pad)


def _is_end(loaded: _Loaded, token: int) -> bool:
    ends = loaded.model.generation_config.eos_token_id
    return token in (ends if isinstance(ends, list) else [ends])
