"""Any server with OpenAI's chat interface: vLLM, TGI, Ollama, llama.cpp and the like."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from math import inf
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from comps.core.client import Call, ClientOptions, create_client, request_json, stream_bytes
from comps.core.engine import UPSTREAM
from comps.core.errors import AvatarError, EngineUnavailableError, NotFoundError, UnprocessableError, UpstreamError
from comps.llm.chat_stream import read_chat
from comps.llm.engine import LlmCapabilities, LlmEngine, LlmOptions, Message, TextPiece
from comps.llm.prompt import with_system_prompt
from comps.llm.reply import SERVICE
from comps.llm.settings import LlmSettings

DEFAULT_MODEL = "tgi"
"""What TGI calls the one model it has; asked for where no model is set and the server does not list any."""
_SETTING = "AVATAR_LLM_MODEL"
_MOST_NAMED = 8
_OTHER_WORK = re.compile("embed|rerank|whisper|tts", re.IGNORECASE)
"""In the names of models that hold no conversation."""
_LOOKS_AGAIN_S = 60.0
"""A server that lists no models is not asked before every answer."""

_CHECK_TIMEOUT_S = 1.5
_MOST_LIST_BYTES = 4 * 1024 * 1024
_STANDARD = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed")
_EXTRA: dict[str, tuple[float, ...]] = {"top_k": (10,), "repetition_penalty": (1, 1.03)}


class OpenAiEngine(LlmEngine):
    """Hands the conversation on and streams what comes back. Without a key no Authorization header is sent."""

    def __init__(self, settings: object) -> None:
        self._settings = cast("LlmSettings", settings)
        self.model = self._settings.model or DEFAULT_MODEL
        self._looks_from = inf if self._settings.model else 0.0
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
            await self._listed()
        except AvatarError as error:
            return {UPSTREAM: error.message}
        return {UPSTREAM: "ok"}

    async def models(self) -> tuple[str, ...]:
        """What the server lists where clients may choose, none where it does not say; else the one model that answers."""
        if not self._settings.forward_model:
            await self._find_model()
            return (self.model,)
        try:
            return await self._listed()
        except AvatarError:
            return ()

    async def generate(self, messages: tuple[Message, ...], options: LlmOptions) -> AsyncGenerator[TextPiece, None]:
        """Yield pieces as they arrive; closing the generator closes the connection, which stops the server.

        Raises:
            UpstreamError: the server cannot be reached, fails, does not have the configured model, or sends no chat answer.
            UpstreamTimeoutError: it is silent for too long.
            UnprocessableError: it is said not to know a sampling field that asks for something.
        """
        if not options.model:
            await self._find_model()
        call = Call(SERVICE, "chat/completions", json=self._body(messages, options))
        try:
            async with aclosing(read_chat(_parts(self._loaded, call))) as pieces:
                async for piece in pieces:
                    yield piece
        except NotFoundError as error:
            if options.model:
                raise
            raise await self._not_there() from error

    @property
    def _loaded(self) -> httpx.AsyncClient:
        if self._client is None:
            raise RuntimeError("load() comes before generate()")
        return self._client

    async def _listed(self) -> tuple[str, ...]:
        """The names of the server's models, as it orders them; raises AvatarError."""
        call = Call(SERVICE, "models", method="GET", timeout_s=_CHECK_TIMEOUT_S, max_bytes=_MOST_LIST_BYTES)
        return _names(await request_json(self._loaded, call))

    async def _find_model(self) -> None:
        """Take the server's first model for talking where none is set; TGI's name while it lists none."""
        if time.monotonic() < self._looks_from:
            return
        self._looks_from = time.monotonic() + _LOOKS_AGAIN_S
        with suppress(AvatarError):
            talking = [name for name in await self._listed() if not _OTHER_WORK.search(name)]
            self.model = talking[0] if talking else DEFAULT_MODEL
            self._looks_from = inf if talking else self._looks_from

    async def _not_there(self) -> UpstreamError:
        """The error for a server that knows no such model or route; a model that was not set is looked for anew."""
        self._looks_from = inf if self._settings.model else 0.0
        names: tuple[str, ...] = ()
        with suppress(AvatarError):
            names = await self._listed()
        if self.model in names or not names:
            message = f"the language model's server answers 404: wrong address, or no model '{self.model}'"
        else:
            told = ", ".join(names[:_MOST_NAMED])
            message = (
                f"the language model's server has no model '{self.model}'; it has {told}: set {_SETTING} to one of them"
            )
        return UpstreamError(message, service=SERVICE)

    def _body(self, messages: tuple[Message, ...], options: LlmOptions) -> dict[str, Any]:
        conversation = with_system_prompt(messages, self._settings.system_prompt, options)
        body: dict[str, Any] = {
            "model": options.model or self.model,
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


def _names(listing: Any) -> tuple[str, ...]:
    rows = listing.get("data") if isinstance(listing, dict) else None
    names = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple(name for name in names if isinstance(name, str) and name)


async def _parts(client: httpx.AsyncClient, call: Call) -> AsyncGenerator[bytes, None]:
    async with aclosing(stream_bytes(client, call)) as parts:
        async for part in parts:
            yield part
