"""Any server with OpenAI's chat interface: vLLM, TGI, Ollama, llama.cpp and the like."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from comps.core.client import Call, ClientOptions, create_client, request_json, stream_bytes
from comps.core.engine import UPSTREAM
from comps.core.errors import (
    AvatarError,
    BadRequestError,
    EngineUnavailableError,
    NotFoundError,
    UnprocessableError,
    UpstreamError,
)
from comps.core.web.streaming import begun
from comps.llm.chat_stream import read_chat
from comps.llm.engine import LlmCapabilities, LlmEngine, LlmOptions, Message, TextPiece
from comps.llm.model_choice import ModelChoice, refuses_chat
from comps.llm.prompt import with_system_prompt
from comps.llm.reply import SERVICE
from comps.llm.settings import LlmSettings

_SETTING = "AVATAR_LLM_MODEL"
_MOST_NAMED = 8
_CHECK_TIMEOUT_S = 1.5
_MOST_LIST_BYTES = 4 * 1024 * 1024
_STANDARD = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed")
_EXTRA: dict[str, tuple[float, ...]] = {"top_k": (10,), "repetition_penalty": (1, 1.03)}


class OpenAiEngine(LlmEngine):
    """Hands the conversation on and streams what comes back. Without a key no Authorization header is sent."""

    def __init__(self, settings: object) -> None:
        self._settings = cast("LlmSettings", settings)
        self._choice = ModelChoice(self._settings.model, self._listed)
        self.model = self._choice.name
        self.capabilities = LlmCapabilities(sampling=True)
        self._client: httpx.AsyncClient | None = None

    async def load(self) -> None:
        """Make the client; the server may come up later. Raises EngineUnavailableError for a bad address."""
        settings = self._settings
        key = settings.openai_api_key
        options = ClientOptions(
            api_key=key.get_secret_value() if key else None, read_timeout_s=settings.openai_timeout_s
        )
        self._client = create_client(chat_base(settings.openai_base_url), options)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def check(self) -> dict[str, str]:
        """Whether the server lists its models."""
        try:
            await self._choice.look()
        except AvatarError as error:
            return {UPSTREAM: error.message}
        return {UPSTREAM: "ok"}

    async def models(self) -> tuple[str, ...]:
        """What the server lists where clients may choose, else the one model that answers; none while it does not say."""
        if not self._settings.forward_model:
            model = await self._choice.find()
            return (model,) if self._choice.known else ()
        try:
            return await self._listed()
        except AvatarError:
            return ()

    async def generate(self, messages: tuple[Message, ...], options: LlmOptions) -> AsyncGenerator[TextPiece, None]:
        """Yield pieces as they arrive; closing the generator closes the connection, which stops the server.

        Raises:
            UpstreamError: the server cannot be reached, fails, has no model that answers where the client chose none,
                or sends no chat answer.
            UpstreamTimeoutError: it is silent for too long.
            BadRequestError: it refuses this conversation.
            NotFoundError: it does not have the model that the client chose.
            UnprocessableError: it is said not to know a sampling field that asks for something.
        """
        if options.model:
            pieces = await self._answer_of(options.model, messages, options)
        else:
            pieces = await self._own_answer(messages, options)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    @property
    def _loaded(self) -> httpx.AsyncClient:
        if self._client is None:
            raise RuntimeError("load() comes before generate()")
        return self._client

    async def _listed(self) -> tuple[str, ...]:
        """The names of the server's models, as it orders them; raises AvatarError."""
        call = Call(SERVICE, "models", method="GET", timeout_s=_CHECK_TIMEOUT_S, max_bytes=_MOST_LIST_BYTES)
        return _names(await request_json(self._loaded, call))

    async def _answer_of(
        self, model: str, messages: tuple[Message, ...], options: LlmOptions
    ) -> AsyncGenerator[TextPiece, None]:
        """The answer of `model`, which has begun; errors as of `generate`."""
        call = Call(SERVICE, "chat/completions", json=self._body(model, messages, options))
        return await begun(read_chat(_parts(self._loaded, call)), SERVICE)

    async def _own_answer(self, messages: tuple[Message, ...], options: LlmOptions) -> AsyncGenerator[TextPiece, None]:
        """The answer of the model that is set or was found; where one that was found does not chat, that of the next."""
        refused: list[str] = []
        model = await self._choice.find()
        while True:
            try:
                pieces = await self._answer_of(model, messages, options)
            except (NotFoundError, BadRequestError) as error:
                refused.append(model)
                model = await self._instead_of(refused, error)
            else:
                self._choice.keep(model)
                self.model = model
                return pieces

    async def _instead_of(self, refused: Sequence[str], error: NotFoundError | BadRequestError) -> str:
        """The model to ask after those that refused, the last one with `error`.

        Raises:
            BadRequestError: it is this conversation that it refuses, not every one.
            UpstreamError: there is no other model to ask.
        """
        model = refused[-1]
        is_mute = refuses_chat(error.message) and not self._choice.is_sure(model)
        if isinstance(error, BadRequestError) and not is_mute:
            raise error
        names: tuple[str, ...] = ()
        with suppress(AvatarError):
            names = await self._choice.look()
        if (is_mute or model not in names) and (other := self._choice.other_than(refused, names)):
            return other
        raise UpstreamError(_no_answer(model, names, error.message), service=SERVICE) from error

    def _body(self, model: str, messages: tuple[Message, ...], options: LlmOptions) -> dict[str, Any]:
        conversation = with_system_prompt(messages, self._settings.system_prompt, options)
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": message.role, "content": message.content} for message in conversation],
            "max_tokens": options.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        body |= {name: value for name in _STANDARD if (value := getattr(options, name)) is not None}
        body |= self._extra(options)
        return (
            body
            | ({"stop": list(options.stop)} if options.stop else {})
            | ({"user": options.user} if options.user else {})
        )

    def _extra(self, options: LlmOptions) -> dict[str, Any]:
        """Sampling fields beyond OpenAI's own; a server without them gets none, and a client that wants them 422."""
        given = {name: value for name in _EXTRA if (value := getattr(options, name)) is not None}
        if self._settings.openai_extra_sampling:
            return given
        for name, value in given.items():
            if value not in _EXTRA[name]:
                raise UnprocessableError(f"the language model's server does not know '{name}'", param=name)
        return {}


def chat_base(url: str) -> str:
    """The base URL with its path, ``/v1`` when none is given; raises EngineUnavailableError for no URL at all."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EngineUnavailableError(
            "engine 'openai' needs AVATAR_LLM_OPENAI_BASE_URL, such as http://127.0.0.1:8000/v1"
        )
    return f"{url.rstrip('/')}/" if parts.path.strip("/") else f"{url.rstrip('/')}/v1/"


def _no_answer(model: str, names: Sequence[str], said: str) -> str:
    """What to say where a server with the models `names` (empty: unknown) has `said` why `model` does not answer."""
    if model in names or refuses_chat(said):
        return f"the language model's server does not let '{model}' answer; set {_SETTING} to one that can: {said}"
    if not names:
        return f"the language model's server answers 404: wrong address, or no model '{model}': {said}"
    told = ", ".join(names[:_MOST_NAMED])
    return f"the language model's server has no model '{model}'; it has {told}: set {_SETTING} to one of them"


def _names(listing: Any) -> tuple[str, ...]:
    rows = listing.get("data") if isinstance(listing, dict) else None
    names = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple(name for name in names if isinstance(name, str) and name)


async def _parts(client: httpx.AsyncClient, call: Call) -> AsyncGenerator[bytes, None]:
    async with aclosing(stream_bytes(client, call)) as parts:
        async for part in parts:
            yield part
